"""`python -m ti_studio convert`: one embedding file in the layout that another program wants."""

import argparse
from pathlib import Path

from ti_studio.cli.arguments import Commands, add_metadata_option
from ti_studio.embeddings.arithmetic import of_two_files
from ti_studio.embeddings.embedding import Embedding, EmbeddingError
from ti_studio.embeddings.formats.bundles import read_embeddings
from ti_studio.embeddings.formats.export import FORMATS, card_picture, export
from ti_studio.embeddings.sharing import undescribed
from ti_studio.embeddings.sidecars import find_preview

_EXAMPLES = """examples:
  python -m ti_studio convert embeddings/my-cat.safetensors --to pt
  python -m ti_studio convert my-cat.png --to safetensors --output embeddings/
  python -m ti_studio convert lora.safetensors --to safetensors          # the embeddings bundled in it, each as a file
  python -m ti_studio convert my-cat.safetensors --to safetensors --output shared/ --no-metadata
  python -m ti_studio convert learned_embeds.safetensors learned_embeds_2.safetensors --to safetensors --name my-cat
"""


def add_convert(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "convert",
        help="write an embedding in another program's layout",
        description="Reads an embedding of any layout and writes it as safetensors (everything), pt (A1111), diffusers "
        "(one file a text encoder, the word as the key), onetrainer (its keys) or png (a card with the embedding "
        "inside). Prints what it wrote.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="the file; or the two of an SDXL embedding of diffusers"
    )
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument("--name", help="the word [the file's name]")
    parser.add_argument("--output", type=Path, help="the folder to write to [the file's own]")
    parser.add_argument("--picture", type=Path, help="for png: the picture of the card [the embedding's preview]")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add_metadata_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Converts, and returns the exit status."""
    embeddings = _read(options.files, options.name)
    folder = options.output or options.files[0].parent
    picture = options.picture or find_preview(options.files[0])
    card = card_picture(picture) if picture and options.to == "png" else None
    for embedding in embeddings if options.metadata else map(undescribed, embeddings):
        for path in export(embedding, options.to, folder, image=card, overwrite=options.overwrite):
            print(path)
    return 0


def _read(files: list[Path], name: str | None) -> list[Embedding]:
    """Returns what is to be written: one embedding, or those that a LoRA file has bundled."""
    by_file = [read_embeddings(path) for path in files]
    if len(files) == 1 and len(by_file[0]) > 1:
        if name is not None:
            words = ", ".join(embedding.name for embedding in by_file[0])
            raise EmbeddingError(
                f"{files[0].name} has {len(by_file[0])} embeddings: {words}. Each keeps its own name; leave --name out."
            )
        return by_file[0]
    first, *more = [embedding for embeddings in by_file for embedding in embeddings]
    word = name or first.name
    for other in more:
        first = of_two_files(word, first, other)
    return [Embedding(word, first.vectors, first.step, first.metadata)]
