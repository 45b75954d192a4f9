"""`python -m ti_studio hosted`: the studio inside another WebUI, whose extension starts it."""

import argparse
import sys

from ti_studio.cli.arguments import Commands


def add_hosted(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "hosted",
        help="serve inside A1111, Forge or reForge (their extension starts this)",
        description="Serves the studio to the WebUI that starts this process, as standard input says, while it lives.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Serves, and returns the exit status."""
    if sys.stdin.isatty():
        print("error: This command is started by a WebUI's extension; you may want: serve", file=sys.stderr)
        return 2
    from ti_studio.web.hosted import serve_hosted  # noqa: PLC0415 - Gradio takes seconds to import

    serve_hosted()
    return 0
