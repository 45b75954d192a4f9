"""CLIP's tokenizer, from a checkpoint's folder or the shared one. Imports no torch."""

from pathlib import Path
from typing import cast

from transformers import CLIPTokenizer

from ti_studio.folders import repository_root
from ti_studio.prompts.tokens import PromptTokenizer, TokenIds

OPENCLIP_PAD = 0
"""What OpenCLIP's encoders (`clip_h`, `clip_g`) were trained to see behind the end token; OpenAI's see end tokens."""


def shared_tokenizer_folder() -> Path:
    """Returns the folder of CLIP's vocabulary, which is the same for every text encoder; single files have none."""
    return repository_root() / "models" / "Stable-diffusion" / "demo" / "tokenizer"


def load_tokenizer(folder: Path, key: str) -> PromptTokenizer:
    """Loads CLIP's tokenizer from a folder for the text encoder of this key."""
    # OpenCLIP's folders name "!" as the padding, and the tokenizer then takes every "!" in a prompt for padding.
    loaded = CLIPTokenizer.from_pretrained(folder, pad_token="<|endoftext|>", local_files_only=True)
    return PromptTokenizer(cast(TokenIds, loaded), pad=None if key == "clip_l" else OPENCLIP_PAD)
