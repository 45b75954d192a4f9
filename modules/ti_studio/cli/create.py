"""`python -m ti_studio create`: an embedding that has not been trained, which means what its initialization text
means."""

import argparse

from ti_studio.cli.arguments import Commands, add_folder_options, add_metadata_option, read_folders
from ti_studio.models.checkpoint.checkpoints import find_checkpoint


def add_create(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "create",
        help="make an untrained embedding from an initialization text",
        description="Makes an embedding that means what its initialization text means, and prints its path.",
    )
    parser.add_argument("--name", required=True, help="the word, which is the file's name")
    parser.add_argument("--initialization-text", default="*", metavar="TEXT", help="[*]")
    parser.add_argument("--vectors-per-token", type=int, default=1, metavar="N", help="1 to 75 [1]")
    parser.add_argument("--overwrite", action="store_true", help="replace an embedding of this name")
    add_metadata_option(parser)
    parser.add_argument("--save-as", choices=("safetensors", "pt"), default="safetensors", help="[safetensors]")
    parser.add_argument("--ckpt", help="the checkpoint's title or path [the first one, which is the demo]")
    add_folder_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Creates the embedding, and returns the exit status."""
    folders = read_folders(options)
    info = find_checkpoint(folders.checkpoints, options.ckpt)
    # torch takes seconds to import; the checkpoint's name is checked before.
    from ti_studio.training.output.creation import NewEmbedding, create_embedding  # noqa: PLC0415

    new = NewEmbedding(
        name=options.name,
        initialization_text=options.initialization_text,
        vectors_per_token=options.vectors_per_token,
        overwrite=options.overwrite,
        save_as=options.save_as,
        metadata=options.metadata,
    )
    print(create_embedding(new, info, folders.embeddings))
    return 0
