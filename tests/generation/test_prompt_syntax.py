"""What prompt syntax does to pictures."""

import random

import numpy as np
import pytest
import torch

from tests.checkpoints import TINY_WIDTH
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.events import Notice, Picture
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.generation.txt2img import NotFinite
from ti_studio.models.loading import Model
from ti_studio.prompts.grammar import Emphasis

STEPS = 4
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class Studio:
    """A tiny checkpoint and a folder of embeddings."""

    def __init__(self, model: Model, library: Library, folders: Folders) -> None:
        self._painter, self._library, self._folders = Txt2ImgPipeline(model), library, folders

    def paint(self, prompt: str, **settings: object) -> Pixels:
        """Paints one small picture."""
        return self.paint_and_tell(prompt, **settings)[0]

    def paint_and_tell(self, prompt: str, **settings: object) -> tuple[Pixels, list[str]]:
        """Paints one small picture; returns it and the notices."""
        request = GenerateRequest(prompt=prompt, **{"sampler": "DDIM", "steps": STEPS, **settings})  # type: ignore[arg-type]
        told = list(self._painter.paint(request, [3], self._library, lambda: False))
        (image,) = (event.image for event in told if isinstance(event, Picture))
        return np.asarray(image), [event.text for event in told if isinstance(event, Notice)]

    def keep(self, relative: str, seed: int) -> None:
        """Puts an embedding of two strong random rows into the folder."""
        path = self._folders.embeddings / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = torch.randn(2, TINY_WIDTH, generator=torch.Generator().manual_seed(seed)) * 2
        write_embedding(Embedding(path.stem, {"clip_l": rows}), path)


@pytest.fixture
def studio(tiny_model: Model, library: Library, folders: Folders) -> Studio:
    return Studio(tiny_model, library, folders)


def same(one: Pixels, other: Pixels) -> bool:
    return bool((one == other).all())


def near(one: Pixels, other: Pixels) -> bool:
    """Whether no value differs by more than rounding in another order makes it."""
    return int(np.abs(one.astype(int) - other.astype(int)).max()) <= 2


def test_the_strongest_weights_paint_a_picture_in_every_mode(studio: Studio) -> None:
    for mode in Emphasis:
        studio.paint("a (red:10000) tree, (((blue:-9999):-9999):3)", emphasis=mode)


def test_a_picture_of_no_numbers_is_refused_but_no_reason_to_end_a_training(
    studio: Studio, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Model.predict
    monkeypatch.setattr(Model, "predict", lambda *asked: whole(*asked) * float("inf"))
    with pytest.raises(NotFinite, match=r"After 4 steps the picture is infinite or no numbers \(NaN\)"):
        studio.paint("a tree")
    astray = Embedding("zzzz1234", {"clip_l": torch.ones(1, TINY_WIDTH)})
    wanted = GenerateRequest(prompt="zzzz1234", steps=2, width=32, height=32)
    pictures = list(Txt2ImgPipeline(tiny_model).preview([astray], wanted, [1, 2]))
    assert [picture.getextrema() for picture in pictures] == [((0, 0),) * 3] * 2


def test_eta_is_between_the_sampler_without_noise_and_the_one_with_all_of_it(studio: Studio) -> None:
    for ancestral, plain in (("Euler a", "Euler"), ("DPM2 a", "DPM2")):
        own = studio.paint("a tree", sampler=ancestral, steps=6)
        assert same(own, studio.paint("a tree", sampler=ancestral, steps=6, eta=1))
        none, without = (
            studio.paint("a tree", steps=6, **how) for how in ({"sampler": ancestral, "eta": 0}, {"sampler": plain})
        )
        assert near(none, without), ancestral
        half = studio.paint("a tree", sampler=ancestral, steps=6, eta=0.5)
        assert not near(half, own)
        assert not near(half, none)
    ddim = studio.paint("a tree", steps=6)
    assert same(ddim, studio.paint("a tree", steps=6, eta=0))
    assert not near(ddim, studio.paint("a tree", steps=6, eta=0.5))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_all_of_the_noise_with_our_own_step_is_diffusers_own(tiny_model: Model, prediction: str) -> None:
    """The classes for another eta, told diffusers' own one, take diffusers' own steps."""
    config = {**tiny_model.scheduler_config, "prediction_type": prediction}
    for name in ("Euler a", "DPM2 a"):
        sampler = find_sampler(name)
        theirs, ours = sampler.build(config), sampler.build(config, 0.5)
        assert type(theirs) is not type(ours)
        ours.eta = 1.0
        made = []
        for scheduler in (theirs, ours):
            generators = [torch.Generator().manual_seed(1)]
            scheduler.set_timesteps(7)
            latents = torch.randn(1, 4, 8, 8, generator=generators[0]) * scheduler.init_noise_sigma
            for timestep in scheduler.timesteps:
                predicted = torch.tanh(scheduler.scale_model_input(latents, timestep) * (1 + timestep / 1000))
                latents = scheduler.step(predicted, timestep, latents, generator=generators, return_dict=False)[0]
            made.append(latents)
        assert torch.allclose(*made, rtol=1e-4, atol=1e-4), name


def test_eta_that_can_not_be_had_is_told(studio: Studio) -> None:
    assert studio.paint_and_tell("a tree", sampler="DPM++ 2M SDE", eta=0.5)[1] == [
        "Eta 0.5 was not used: that of DPM++ 2M SDE is always 1 here."
    ]


def test_an_edit_before_the_first_step_is_its_second_text(studio: Studio) -> None:
    assert same(studio.paint("a [red:blue:0] tree"), studio.paint("a blue tree"))


def test_an_edit_changes_the_picture_from_its_step_on(studio: Studio) -> None:
    pictures = [studio.paint(f"[red:blue:{when}]") for when in (0, 2, 4)]

    assert not same(pictures[0], pictures[1])
    assert not same(pictures[1], pictures[2])
    assert same(pictures[2], studio.paint("red"))
    assert same(pictures[1], studio.paint("[red:blue:.5]"))


def test_editing_follows_the_steps_of_samplers_that_look_twice(studio: Studio) -> None:
    assert same(studio.paint("[red:blue:4]", sampler="Heun"), studio.paint("red", sampler="Heun"))
    assert not same(studio.paint("[red:blue:3]", sampler="Heun"), studio.paint("red", sampler="Heun"))


def test_alternatives_differ_from_each_of_them(studio: Studio) -> None:
    assert not same(studio.paint("[red|blue]"), studio.paint("red"))
    assert not same(studio.paint("[red|blue]"), studio.paint("[blue|red]"))


def test_the_negative_prompt_can_be_edited_too(studio: Studio) -> None:
    assert same(studio.paint("a", negative_prompt="[red:blue:0]"), studio.paint("a", negative_prompt="blue"))


def test_a_part_of_and_with_weight_zero_guides_nothing(studio: Studio) -> None:
    alone = studio.paint("red tree").astype(int)

    assert np.abs(studio.paint("red tree AND blue sky :0").astype(int) - alone).max() <= 1
    assert np.abs(studio.paint("red tree AND blue sky").astype(int) - alone).max() > 1


def test_two_halves_of_a_prompt_guide_like_the_whole(studio: Studio) -> None:
    whole = studio.paint("red tree").astype(int)

    assert np.abs(studio.paint("red tree:0.5 AND red tree:0.5").astype(int) - whole).max() <= 1


def test_emphasis_modes_agree_where_there_are_no_weights_to_mind(studio: Studio) -> None:
    plain, weighted = "a red tree", "a (red:1.6) tree"

    assert same(studio.paint(plain, emphasis=Emphasis.NO_NORM), studio.paint(plain))
    assert same(studio.paint(weighted, emphasis=Emphasis.IGNORE), studio.paint(plain))
    assert not same(studio.paint(weighted, emphasis=Emphasis.NONE), studio.paint(plain))


def test_a_word_means_the_same_by_its_spelling_and_by_its_name(studio: Studio) -> None:
    studio.keep("zzzz1234.safetensors", seed=1)
    spelled = studio.paint("a zzzz1234 tree")

    assert not same(spelled, studio.paint("a tree"))
    for named in (
        "<embedding:zzzz1234>",
        "<embedding:ZZZZ1234.safetensors:1>",
        "embedding:zzzz1234",
        "<embed:zzzz1234>",
    ):
        assert same(spelled, studio.paint(f"a {named} tree"))


def test_the_weight_of_a_name_is_emphasis(studio: Studio) -> None:
    studio.keep("zzzz1234.safetensors", seed=1)

    assert same(studio.paint("a <embedding:zzzz1234:1.4>"), studio.paint("a (zzzz1234:1.4)"))
    assert same(studio.paint("a (embedding:zzzz1234:1.4)"), studio.paint("a (zzzz1234:1.4)"))


def test_a_name_with_spaces_and_brackets_can_be_called(studio: Studio) -> None:
    studio.keep("my (best) style.safetensors", seed=1)

    picture, notices = studio.paint_and_tell("a <embedding:my (best) style> tree")

    assert notices == []
    assert not same(picture, studio.paint("a tree"))


def test_of_two_files_with_one_word_each_can_be_called_by_its_path(studio: Studio) -> None:
    studio.keep("zzzz1234.safetensors", seed=1)
    studio.keep("old/zzzz1234.safetensors", seed=2)

    new, old = (studio.paint(f"a <embedding:{path}>") for path in ("zzzz1234", "old/zzzz1234"))

    assert not same(old, new)
    assert same(old, studio.paint("a zzzz1234"))  # the first by path wins the word
    assert same(old, studio.paint("a embedding:old/zzzz1234"))


def test_the_infotext_names_an_embedding_that_was_called_by_name(studio: Studio, library: Library) -> None:
    studio.keep("zzzz1234.safetensors", seed=1)
    request = GenerateRequest(prompt="<embedding:zzzz1234>", steps=1)
    told = list(studio._painter.paint(request, [3], library, lambda: False))

    assert 'TI hashes: "zzzz1234: ' in next(event.infotext for event in told if isinstance(event, Picture))


def test_what_was_not_used_is_told(studio: Studio, folders: Folders) -> None:
    (folders.embeddings / "broken.pt").write_bytes(random.Random(0).randbytes(64))

    picture, notices = studio.paint_and_tell("a <embedding:nobody> tree <lora:x:1>, <embedding:broken>")

    assert notices[0] == "The embedding nobody was not used: there is none of this name."
    assert notices[1].startswith("The embedding broken was not used: ")
    assert "<lora:x:1> was left out" in notices[2]
    assert same(picture, studio.paint("a  tree , "))
