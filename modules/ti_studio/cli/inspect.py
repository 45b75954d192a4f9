"""`python -m ti_studio inspect`: what is known about embedding files."""

import argparse
import json
from pathlib import Path

from ti_studio.cli.arguments import Commands, add_folder_options, read_folders
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.bundles import read_embeddings
from ti_studio.embeddings.formats.files import file_sha256
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, find_checkpoint
from ti_studio.models.inspection import beside_vocabulary, norms

_HASH_DIGITS = 12


def add_inspect(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "inspect",
        help="print what is known about an embedding file",
        description="Prints family, vectors, norms, hash and metadata of embedding files; with --ckpt also the words "
        "of that checkpoint's vocabulary that each vector is nearest to. No code in them is ever run.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--ckpt", help="a checkpoint's title or path, to compare with its vocabulary")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    add_folder_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints, and returns the exit status."""
    info = find_checkpoint(read_folders(options).checkpoints, options.ckpt) if options.ckpt else None
    for path in options.files:
        for embedding in read_embeddings(path):
            facts = describe(embedding, path)
            if info is not None:
                facts |= {"beside the vocabulary": nearest_words(embedding, info)}
            print(json.dumps(facts, ensure_ascii=False) if options.json else _as_text(facts))
    return 0


def describe(embedding: Embedding, path: Path) -> dict[str, object]:
    """Returns what is known about an embedding, as JSON can hold it."""
    return {
        "name": embedding.name,
        "file": str(path),
        "family": embedding.family,
        "vectors per token": embedding.vectors_per_token,
        "widths": embedding.widths,
        "step": embedding.step,
        "norms": {
            encoder: [round(norm, 4) for norm in encoder_norms] for encoder, encoder_norms in norms(embedding).items()
        },
        "hash": file_sha256(path)[:_HASH_DIGITS],
        "metadata": dict(embedding.metadata),
    }


def nearest_words(embedding: Embedding, info: CheckpointInfo) -> dict[str, str]:
    """Returns a line for each vector: its norm in units of the vocabulary's mean norm, and the nearest words.

    Raises:
        IncompatibleEmbedding: it is for another kind of checkpoint.
    """
    lines = {}
    for encoder, reports in beside_vocabulary(embedding, info).items():
        for number, row in enumerate(reports, 1):
            near = ", ".join(f"{neighbour.word} {neighbour.cosine:.2f}" for neighbour in row.nearest)
            lines[f"{encoder} {number}"] = f"norm {row.relative_norm:.2f} of the vocabulary's; nearest: {near}"
    return lines


def _as_text(facts: dict[str, object]) -> str:
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {part}" for key, part in value.items())]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines) + "\n"
