"""`python -m ti_studio suggest`: initialization texts for a folder of pictures."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ti_studio.cli.arguments import Commands, add_model_options, read_folders
from ti_studio.models.checkpoint.checkpoints import find_checkpoint

if TYPE_CHECKING:
    from ti_studio.training.suggestions.ranking import Suggestions

_EPILOG = """example:
  python -m ti_studio suggest pictures/blue-cat --current cat"""


def add_suggest(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "suggest",
        help="suggest initialization texts for a folder of pictures",
        description="Prints the words of the checkpoint's vocabulary, and pairs of them, by which it finds the "
        "pictures best: each with its denoising loss, the lowest first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the pictures")
    parser.add_argument("--ckpt", help="the checkpoint's title or path [the first one, which is the demo]")
    parser.add_argument("--count", type=_at_least_one, default=5, metavar="N", help="texts to print [5]")
    parser.add_argument("--current", default="", metavar="TEXT", help="a text whose loss is printed beside")
    parser.add_argument(
        "--seconds", type=float, default=15.0, metavar="X", help="time to look for them, the checkpoint loaded [15]"
    )
    parser.add_argument(
        "--longest", type=int, choices=(1, 2), default=2, help="words at most; a word of one vector has room for 1 [2]"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise [0]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Looks, prints, and returns the exit status."""
    info = find_checkpoint(read_folders(options).checkpoints, options.ckpt)
    # torch's models take seconds to import; the checkpoint's name is checked before.
    from ti_studio.models.hardware import hardware_for, use_threads_for  # noqa: PLC0415
    from ti_studio.models.loading import load  # noqa: PLC0415
    from ti_studio.training.suggestions.ranking import SuggestionOptions, suggest  # noqa: PLC0415

    hardware = hardware_for(info)
    use_threads_for(info, hardware)
    suggestion_options = SuggestionOptions(
        options.count, options.current, options.seconds, options.longest, options.seed
    )
    suggestions = suggest(load(info, hardware), options.folder, suggestion_options)
    print(json.dumps(asdict(suggestions), ensure_ascii=False) if options.json else _as_text(suggestions))
    return 0


def _as_text(suggestions: "Suggestions") -> str:
    lines = [f"{each.loss:.5f}  {each.text}" for each in suggestions.best]
    if suggestions.current is not None:
        lines.append(f"{suggestions.current.loss:.5f}  {suggestions.current.text} (the current text)")
    if not suggestions.complete:
        lines.append("The time did not suffice to try everything; with more --seconds there may be better ones.")
    return "\n".join(lines)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few; expected 1 or more")
    return number
