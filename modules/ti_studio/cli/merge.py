"""`python -m ti_studio merge`: one embedding of several."""

import argparse
from pathlib import Path

from ti_studio.cli.arguments import Commands, add_metadata_option
from ti_studio.embeddings.formats.export import FORMATS, export
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.merging import METHODS, Mixture, merged
from ti_studio.embeddings.sharing import undescribed

_EXAMPLES = """examples:
  python -m ti_studio merge cat.safetensors hat.safetensors --name cat-hat
  python -m ti_studio merge summer.pt winter.pt --name autumn --how average --weights 0.6 0.4
  python -m ti_studio merge young.safetensors old.safetensors --name grown --how slerp --share 0.5
"""


def add_merge(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "merge",
        help="make one embedding of several",
        description="Puts embeddings of one family together: concat lays their vectors one after the other, average is "
        "their weighted sum, slerp is a point on the arc from the first to the second. Prints the new file's path.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--name", required=True, help="the new word, which is the file's name")
    parser.add_argument("--how", choices=METHODS, default="concat", help="[concat]")
    parser.add_argument("--weights", nargs="+", type=float, metavar="W", help="for average, one a file [equal ones]")
    parser.add_argument(
        "--share", type=float, default=0.5, metavar="S", help="for slerp: 0 the first … 1 the second [0.5]"
    )
    parser.add_argument("--to", choices=FORMATS, default="safetensors", help="[safetensors]")
    parser.add_argument("--output", type=Path, help="the folder to write to [the first file's]")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    add_metadata_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Merges, and returns the exit status."""
    mixture = Mixture(options.how, options.weights, options.share)
    embedding = merged(options.name, [read_embedding(path) for path in options.files], mixture)
    if not options.metadata:
        embedding = undescribed(embedding)
    for path in export(embedding, options.to, options.output or options.files[0].parent, overwrite=options.overwrite):
        print(path)
    return 0
