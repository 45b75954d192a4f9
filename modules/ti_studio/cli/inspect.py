"""`python -m ti_studio inspect`: what is known about embedding files."""

import argparse
import json
from pathlib import Path

from ti_studio.cli.arguments import Commands
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.files import file_sha256, read_embedding

_HASH_DIGITS = 12


def add_inspect(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "inspect",
        help="print what is known about an embedding file",
        description="Prints family, vectors, norms, hash and metadata of embedding files. No code in them is ever run.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints, and returns the exit status."""
    for path in options.files:
        facts = describe(read_embedding(path), path)
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
            encoder: [round(norm, 4) for norm in rows.norm(dim=-1).tolist()]
            for encoder, rows in embedding.vectors.items()
        },
        "hash": file_sha256(path)[:_HASH_DIGITS],
        "metadata": dict(embedding.metadata),
    }


def _as_text(facts: dict[str, object]) -> str:
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {part}" for key, part in value.items())]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines) + "\n"
