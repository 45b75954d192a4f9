"""Checkpoints that are one file, known from the names, shapes and metadata in its header."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ti_studio.models.checkpoint.architecture import Shapes
from ti_studio.models.checkpoint.header_summary import CheckpointSummary, UnknownCheckpoint, check_channels
from ti_studio.models.checkpoint.headers import read_header
from ti_studio.models.families import SD1, SD2, SDXL, Family

UNET = "model.diffusion_model."
VAE = "first_stage_model."

TEXT_PREFIXES: Mapping[str, str] = {
    "SD 1": "cond_stage_model.transformer.",
    "SD 2": "cond_stage_model.model.",
    "SDXL": "conditioner.embedders.0.transformer.",
}
SECOND_TEXT_PREFIX = "conditioner.embedders.1.model."
_REFINER = "conditioner.embedders.0.model."

V_MARKER = "v_pred"
ZTSNR_MARKER = "ztsnr"
"""Empty tensors by which trainers mark v-prediction and a schedule that ends in pure noise (reForge, ComfyUI)."""

_DEFAULT_SIZES = {"SD 1": 512, "SD 2": 768, "SDXL": 1024}
_SD2_BASE_SIZE = 512
_SHOWN = 3


@dataclass(frozen=True)
class Contents:
    """What a file says of itself without its tensors."""

    shapes: Shapes
    metadata: Mapping[str, str]

    def part(self, prefix: str) -> Shapes:
        """Returns the shapes of the tensors below a prefix, by the rest of their names."""
        return {name[len(prefix) :]: shape for name, shape in self.shapes.items() if name.startswith(prefix)}


def contents_of(path: Path) -> Contents:
    """Reads a file's header; of a `.ckpt` file the pickle, which is not run.

    Raises:
        BrokenFile: the file is truncated or damaged.
        UnknownCheckpoint: a pickle that asks for more than tensors.
    """
    if path.suffix.lower() == ".safetensors":
        header = read_header(path)
        return Contents({name: tensor.shape for name, tensor in header.tensors.items()}, header.metadata)
    # Only whoever has such a file waits for torch.
    from ti_studio.models.checkpoint.pickled import read_pickled  # noqa: PLC0415

    return Contents({name: tuple(tensor.shape) for name, tensor in read_pickled(path).items()}, {})


def summarize_file(path: Path) -> CheckpointSummary:
    """Finds out what a file holds.

    Raises:
        BrokenFile, UnknownCheckpoint: it is no checkpoint that can be loaded; the message says why.
    """
    contents = contents_of(path)
    family = _family(contents.shapes)
    if family is None:
        raise UnknownCheckpoint(_why_none(path, contents.shapes))
    for prefix, what in ((UNET, "UNet"), (VAE, "VAE")):
        if not contents.part(prefix):
            raise UnknownCheckpoint(f"{path} has no {what}: no tensor's name begins with {prefix}")
    check_channels(path, contents.shapes.get(f"{UNET}input_blocks.0.0.weight", (0, 0))[1])
    prediction_type, notes = _prediction_type(path, family, contents)
    return CheckpointSummary(
        family=family,
        widths=_widths(path, family, contents.shapes),
        default_size=_default_size(contents.metadata, family, prediction_type),
        prediction_type=prediction_type,
        weights=(path,),
        zero_terminal_snr=ZTSNR_MARKER in contents.shapes,
        notes=notes,
    )


def _family(shapes: Shapes) -> Family | None:
    for family in (SDXL, SD2, SD1):
        prefixes = [TEXT_PREFIXES[family.name], *([SECOND_TEXT_PREFIX] if family is SDXL else [])]
        if all(_any_begins(shapes, prefix) for prefix in (UNET, *prefixes)):
            return family
    return None


def _why_none(path: Path, names: Iterable[str]) -> str:
    if _any_begins(names, _REFINER):
        return f"{path} is an SDXL refiner, which takes no words of its own; expected an SDXL base checkpoint."
    if _any_begins(names, UNET):
        expected = ", ".join(prefix + "…" for prefix in TEXT_PREFIXES.values())
        return f"{path} has a UNet but no text encoder of SD 1, SD 2 or SDXL; expected tensors {expected}"
    shown = list(names)[:_SHOWN]
    return (
        f"{path} is no checkpoint of SD 1, SD 2 or SDXL: it holds {', '.join(shown) or 'nothing'}, …; "
        f"expected a UNet ({UNET}…), a VAE ({VAE}…) and text encoders."
    )


def _any_begins(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _widths(path: Path, family: Family, shapes: Shapes) -> dict[str, int]:
    prefixes = [TEXT_PREFIXES[family.name], SECOND_TEXT_PREFIX][: len(family.encoders)]
    widths = {}
    for key, prefix in zip(family.encoders, prefixes, strict=True):
        tables = [
            shape
            for name, shape in shapes.items()
            if name.startswith(prefix) and name.endswith("token_embedding.weight")
        ]
        if not tables:
            raise UnknownCheckpoint(f"{path} has no token embeddings: no tensor {prefix}…token_embedding.weight")
        widths[key] = tables[0][1]
    return widths


def _prediction_type(path: Path, family: Family, contents: Contents) -> tuple[str, tuple[str, ...]]:
    """Returns what the UNet predicts, and a note if that is a guess.

    The markers in the file come first, then a `.yaml` beside it (A1111's way), then `modelspec.*` metadata.
    """
    if V_MARKER in contents.shapes:
        return "v_prediction", ()
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file():
        text = sidecar.read_text(encoding="utf-8", errors="replace")
        is_v = re.search(r"^\s*parameterization:\s*[\"']?v[\"']?\s*$", text, re.MULTILINE)
        return ("v_prediction" if is_v else "epsilon"), ()
    prediction_type = contents.metadata.get("modelspec.prediction_type")
    if prediction_type is not None:
        return ("v_prediction" if prediction_type.strip().lower().startswith("v") else "epsilon"), ()
    if family is not SD2:
        return "epsilon", ()
    is_base = re.search(r"base|512", path.stem, re.IGNORECASE)
    guess = "epsilon" if is_base else "v_prediction"
    return guess, (
        f"{path.name} does not say whether it predicts the noise or the velocity; taken for {guess}, by its name. If "
        f"its pictures are noise, put a {sidecar.name} with 'parameterization: \"{'v' if is_base else 'eps'}\"' beside "
        "it.",
    )


def _default_size(metadata: Mapping[str, str], family: Family, prediction_type: str) -> int:
    resolution = re.fullmatch(r"(\d+)(?:x\d+)?", metadata.get("modelspec.resolution", ""))
    if resolution:
        return int(resolution[1])
    if family is SD2 and prediction_type == "epsilon":
        return _SD2_BASE_SIZE
    return _DEFAULT_SIZES[family.name]
