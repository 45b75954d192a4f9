"""The VAE's weights while a training runs."""

import gc
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from tests.training.test_run import no_preview, request
from ti_studio.embeddings.embedding import Embedding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import CheckpointNotLoaded, Model, load, with_vae
from ti_studio.training import events
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train


@pytest.fixture
def model(tiny_checkpoint: CheckpointInfo) -> Model:
    return load(tiny_checkpoint, Hardware.automatic("fp32"))


def latents() -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def test_steps_run_without_the_vae_which_previews_read_anew(model: Model, place: RunPaths) -> None:
    expected = model.decode(latents())
    seen = []
    weights = weakref.ref(next(model.vae.parameters()))

    def preview(words: Sequence[Embedding]) -> Iterator[events.Previewed]:
        nonlocal weights
        assert torch.equal(model.decode(latents()), expected)
        weights = weakref.ref(next(model.vae.parameters()))
        yield events.Previewed(words[0].step or 0, 0, "previews/x.png", "prompt", 1)

    for event in train(request(preview_every=3), model, place, preview, lambda: False):
        gc.collect()
        if isinstance(event, events.Step):
            seen.append(weights())

    assert len(seen) == 6 and all(found is None for found in seen)


def test_steps_that_encode_pictures_keep_the_vae(model: Model, place: RunPaths) -> None:
    vae = model.vae

    for event in train(request(random_crop=True), model, place, no_preview, lambda: False):
        if isinstance(event, events.Step):
            assert model.vae is vae


@pytest.mark.parametrize("own", [True, False])
def test_a_vae_that_was_put_away_and_is_gone_is_named(
    tiny_checkpoint: CheckpointInfo, model: Model, tmp_path: Path, own: bool
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint.path, folder)
    copy = load(identify(folder), Hardware.automatic("fp32")) if own else with_vae(model, folder)
    assert torch.equal(copy.decode(latents()), model.decode(latents()))
    copy.autoencoder.put_away()
    shutil.rmtree(folder)

    with pytest.raises(CheckpointNotLoaded, match=rf"The VAE {folder} could not be loaded"):
        copy.decode(latents())
