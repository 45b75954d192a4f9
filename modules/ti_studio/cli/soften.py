"""`python -m ti_studio soften`: a word brought part of the way back to what its class means."""

import argparse
from pathlib import Path

from ti_studio.cli.arguments import Commands, add_metadata_option, add_model_options, read_folders
from ti_studio.embeddings.formats.export import FORMATS, export
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.names import check_name
from ti_studio.embeddings.sharing import undescribed
from ti_studio.embeddings.softening import METHODS, Softening
from ti_studio.models.checkpoint.checkpoints import find_checkpoint

_EXAMPLES = """examples:
  python -m ti_studio soften my-cat.safetensors --class-word cat --name my-cat-soft
  python -m ti_studio soften old.pt --class-word "oil painting" --strength 0.4 --ckpt v1-5-pruned --name softer
"""


def add_soften(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "soften",
        help="make a word that ignores the rest of the prompt obey it again",
        description="Brings an embedding's norm and direction part of the way to its class word's; nothing is trained. "
        "Prints the new file's path.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--name", required=True, help="the new word, which is the file's name")
    parser.add_argument("--class-word", default="", metavar="TEXT", help="[the file's initialization text]")
    parser.add_argument("--strength", type=float, metavar="S", help="sets both shares, 0 to 1")
    parser.add_argument("--norm", type=float, metavar="S", help=f"of the way to its norm [{Softening.norm:g}]")
    parser.add_argument("--direction", type=float, metavar="S", help=f"to its direction [{Softening.direction:g}]")
    parser.add_argument("--method", choices=METHODS, default=Softening.method, help=f"[{Softening.method}]")
    parser.add_argument("--to", choices=FORMATS, default="safetensors", help="[safetensors]")
    parser.add_argument("--output", type=Path, help="the folder to write to [the file's]")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    add_metadata_option(parser)
    parser.add_argument("--ckpt", help="the checkpoint's title or path [the first one, which is the demo]")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Softens, and returns the exit status."""
    check_name(options.name)
    info = find_checkpoint(read_folders(options).checkpoints, options.ckpt)
    embedding = read_embedding(options.file)
    # torch's models take seconds to import; what was named is checked before.
    from ti_studio.training.softening import soften  # noqa: PLC0415

    shares = {
        name: value if value is not None else options.strength
        for name, value in (("norm", options.norm), ("direction", options.direction))
    }
    given = {name: value for name, value in shares.items() if value is not None}
    (made,) = soften(options.name, embedding, info, options.class_word, [Softening(**given, method=options.method)])
    made = made if options.metadata else undescribed(made)
    for path in export(made, options.to, options.output or options.file.parent, overwrite=options.overwrite):
        print(path)
    return 0
