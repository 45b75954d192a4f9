"""The real architectures, worked out from the names and shapes of their files."""

from pathlib import Path

import pytest

from ti_studio.models.checkpoint.architecture import Config, clip_config, open_clip_config, unet_config, vae_config
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.models.checkpoint.single_files import SECOND_TEXT_PREFIX, TEXT_PREFIXES, UNET, VAE, Contents
from ti_studio.models.families import SD1, SD2, SDXL, Family
from tools.random_checkpoint import REAL, VAE_CONFIG, outlined, write

FAMILIES = {"sd15": SD1, "sd21": SD2, "sdxl": SDXL}

TENSORS_OF_SDXL_BASE = 2515
"""In sd_xl_base_1.0.safetensors: 1680 UNet, 248 VAE, 197 CLIP-L, 390 OpenCLIP-G."""


def contents(name: str) -> Contents:
    return Contents({key: tuple(tensor.shape) for key, tensor in outlined(REAL[name]).items()}, {})


def same(derived: Config, real: Config) -> bool:
    """Tells whether the derived configuration says what the real one says."""
    return all(_plain(derived[key]) == _plain(value) for key, value in real.items())


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", REAL)
def test_the_configuration_of_every_part_follows_from_its_shapes(name: str) -> None:
    file, family = contents(name), FAMILIES[name]
    text = file.part(TEXT_PREFIXES[family.name])

    if family is SD2:
        heard = {key: shape for key, shape in text.items() if ".resblocks.23." not in key}
        first = open_clip_config(heard)
    else:
        first = clip_config({key.removeprefix("text_model."): shape for key, shape in text.items()})

    pooled = 1280 if family is SDXL else None
    assert same(unet_config(file.part(UNET), family, pooled), dict(REAL[name].unet))
    assert same(vae_config(file.part(VAE), family), VAE_CONFIG)
    assert same(first, dict(REAL[name].text[0]))
    if family is SDXL:
        assert same(open_clip_config(file.part(SECOND_TEXT_PREFIX)), dict(REAL[name].text[1]))


def test_the_random_sdxl_has_as_many_tensors_as_the_published_one() -> None:
    prefixes = (UNET, VAE, TEXT_PREFIXES["SDXL"], SECOND_TEXT_PREFIX)

    assert sum(len(contents("sdxl").part(prefix)) for prefix in prefixes) == TENSORS_OF_SDXL_BASE


@pytest.mark.parametrize(
    ("name", "family", "widths", "size"),
    [
        ("sd15", SD1, {"clip_l": 768}, 512),
        ("sd21", SD2, {"clip_h": 1024}, 768),
        ("sdxl", SDXL, {"clip_l": 768, "clip_g": 1280}, 1024),
    ],
)
def test_a_file_of_the_real_size_is_identified_from_its_header(
    tmp_path: Path, name: str, family: Family, widths: dict[str, int], size: int
) -> None:
    path = tmp_path / f"{name}.safetensors"
    write(outlined(REAL[name]), path, zeros=True)

    info = identify(path)

    assert (info.family, info.widths, info.default_size) == (family, widths, size)
