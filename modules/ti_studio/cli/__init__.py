"""The command line: `python -m ti_studio` train, resume, generate, create, inspect, convert, merge, soften, suggest and
serve."""

import argparse
import sys
from collections.abc import Sequence

from ti_studio import __version__
from ti_studio.cli.convert import add_convert
from ti_studio.cli.create import add_create
from ti_studio.cli.generate import add_generate
from ti_studio.cli.hosted import add_hosted
from ti_studio.cli.inspect import add_inspect
from ti_studio.cli.merge import add_merge
from ti_studio.cli.serve import add_serve
from ti_studio.cli.soften import add_soften
from ti_studio.cli.suggest import add_suggest
from ti_studio.cli.train import add_resume, add_train
from ti_studio.errors import StudioError
from ti_studio.server_options import apply_kernels_option

INTERRUPTED = 130
"""The exit status of a command that was ended with Ctrl+C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0, 1 after an error that was told, 2 for wrong arguments."""
    parser = build_parser()
    options, more = parser.parse_known_args(arguments)
    if more and not getattr(options, "takes_more", False):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.extension_flags = tuple(more)
    apply_kernels_option(options)
    try:
        return int(options.run(options))
    except StudioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m ti_studio",
        description="Teaches Stable Diffusion a new word from a folder of pictures, and lets prompts use it.",
        epilog="Each command explains itself: python -m ti_studio train --help",
    )
    parser.add_argument("--version", action="version", version=f"Textual Inversion Studio {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    makers = (
        add_train,
        add_resume,
        add_generate,
        add_create,
        add_inspect,
        add_convert,
        add_merge,
        add_soften,
        add_suggest,
        add_serve,
        add_hosted,
    )
    for add in makers:
        add(commands)
    return parser
