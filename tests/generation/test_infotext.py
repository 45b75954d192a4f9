"""Infotext in A1111's form."""

from io import BytesIO

from PIL import Image
from sd_parsers import ParserManager
from sd_parsers.data import Generators

from ti_studio.generation.events import Picture
from ti_studio.generation.infotext import MadeWith, build_infotext
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.service import png_bytes

MADE_WITH = MadeWith("demo", "0123456789abcdef", (64, 96), {"my-cat": "f" * 64, 'a:b,"c': "e" * 64})


def test_the_infotext_is_a1111s() -> None:
    request = GenerateRequest(
        prompt="a my-cat", negative_prompt="blur", sampler="DPM++ 2M Karras", steps=7, cfg_scale=6.5, clip_skip=2
    )

    assert build_infotext(request, 42, MADE_WITH) == (
        "a my-cat\n"
        "Negative prompt: blur\n"
        "Steps: 7, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 42, Size: 64x96, "
        'Model hash: 0123456789, Model: demo, Clip skip: 2, TI hashes: "my-cat: ffffffffffff, abc: eeeeeeeeeeee", '
        "Version: Textual Inversion Studio 0.2.0"
    )


def test_a_checkpoint_is_named_without_the_folders_that_it_lies_in() -> None:
    made_with = MadeWith("clients/alice-secret/model.safetensors", "0" * 64, (64, 64))

    assert ", Model: model.safetensors, " in build_infotext(GenerateRequest(prompt="a cat"), 1, made_with)


def test_the_noise_of_a_sampler_is_named_as_a1111_names_it_where_it_is_not_its_own() -> None:
    def said(sampler: str, eta: float | None) -> str:
        return build_infotext(GenerateRequest(sampler=sampler, eta=eta), 1, MadeWith("demo", "0" * 64, (64, 64)))

    assert ", Eta DDIM: 0.5, " in said("DDIM", 0.5)
    assert ", Eta: 0.25, " in said("Euler a", 0.25)
    for sampler, eta in (("DDIM", 0), ("DDIM", None), ("Euler a", 1), ("Euler", 0.5), ("DPM++ 2M SDE", 0.5)):
        assert "Eta" not in said(sampler, eta)


def test_what_was_not_used_is_not_mentioned() -> None:
    text = build_infotext(GenerateRequest(prompt="a cat"), 1, MadeWith("demo", "0" * 64, (64, 64)))

    assert "TI hashes" not in text
    assert "Negative prompt" not in text
    assert "Clip skip" not in text


def test_sd_parsers_takes_our_pictures_for_a1111s() -> None:
    request = GenerateRequest(prompt='a (best:1.2) "my-cat"', negative_prompt="blur, bad", sampler="DPM++ 2M Karras")
    picture = Picture(Image.new("RGB", (8, 8)), build_infotext(request, 42, MADE_WITH), 42)

    read = ParserManager().parse(BytesIO(png_bytes(picture)))

    assert read is not None
    assert read.generator is Generators.AUTOMATIC1111
    assert [prompt.value for prompt in read.prompts] == ['a (best:1.2) "my-cat"']
    assert [prompt.value for prompt in read.negative_prompts] == ["blur, bad"]
    (sampler,) = read.samplers
    assert (sampler.name, sampler.parameters["scheduler"], sampler.parameters["seed"]) == ("DPM++ 2M", "Karras", "42")
