"""Infotexts, read back."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.checkpoints import TINY_WIDTH
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import file_sha256, write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.infotext import MadeWith, build_infotext
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.restoring import Infotext, NoInfotext, doubts, infotext_of, read_infotext, restored
from ti_studio.generation.samplers import sampler_names
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.prompts.grammar import Emphasis

A1111S = """a cat, (best:1.2),
by my-style
Negative prompt: blur,
bad
Steps: 25, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 17, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5, Clip skip: 2, \
TI hashes: "my-style: 0123456789ab, other: ba9876543210", Version: v1.10.1"""


def test_an_infotext_of_a1111_is_read() -> None:
    infotext = read_infotext(A1111S)

    assert infotext.prompt == "a cat, (best:1.2),\nby my-style"
    assert infotext.negative_prompt == "blur,\nbad"
    assert infotext.settings["Model"] == "v1-5"
    assert infotext.embeddings == {"my-style": "0123456789ab", "other": "ba9876543210"}


def test_what_it_says_becomes_the_request_and_the_rest_stays() -> None:
    was = restored(read_infotext(A1111S), GenerateRequest(prompt="now", cfg_scale=3, emphasis=Emphasis.NONE))

    assert was.notices == ()
    assert was.request == GenerateRequest(
        prompt="a cat, (best:1.2),\nby my-style", negative_prompt="blur,\nbad", sampler="Euler a", steps=25,
        cfg_scale=6.5, seed=17, width=512, height=768, clip_skip=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sampler", "ours"),
    [
        ("DPM++ 2M, Schedule type: Automatic", "DPM++ 2M Karras"),
        ("DPM++ 2M, Schedule type: Uniform", "DPM++ 2M"),
        ("DPM++ 2M", "DPM++ 2M"),
        ("DPM++ 2M Karras", "DPM++ 2M Karras"),
        ("Euler, Schedule type: Automatic", "Euler"),
        ("DDIM, Schedule type: Automatic", "DDIM"),
    ],
)
def test_a_samplers_automatic_schedule_is_the_one_that_a1111_means(sampler: str, ours: str) -> None:
    was = restored(read_infotext(f"a\nSteps: 5, Sampler: {sampler}, CFG scale: 7, Seed: 1"), GenerateRequest())

    assert was.request.sampler == ours


def test_the_noise_of_the_sampler_is_restored_and_what_is_not_named_is_its_own() -> None:
    def eta(said: str) -> float | None:
        text = f"a\nSteps: 5, Sampler: DDIM, CFG scale: 7, Seed: 1{said}"
        return restored(read_infotext(text), GenerateRequest(eta=0.75)).request.eta

    assert (eta(", Eta DDIM: 0.5"), eta(", Eta: 0.25"), eta(""), eta(", Eta: 7")) == (0.5, 0.25, None, 0.75)


def test_a_text_without_settings_is_a_prompt() -> None:
    was = restored(read_infotext("a cat\nNegative prompt: blur"), GenerateRequest(steps=7, count=3))

    assert was.request == GenerateRequest(prompt="a cat", negative_prompt="blur", steps=7, count=3)


def test_what_can_not_be_used_is_told_and_stays() -> None:
    text = "a\nSteps: 9999, Sampler: LCM, CFG scale: 7, Seed: 1, Size: 511x512"
    was = restored(read_infotext(text), GenerateRequest(steps=9, width=64, height=64, sampler="Heun"))

    assert (was.request.steps, was.request.sampler, was.request.width, was.request.height) == (9, "Heun", 64, 64)
    assert [notice.split()[0] for notice in was.notices] == ["There", "steps", "width"]


def test_a_size_of_which_neither_side_can_be_used_is_told_of_both() -> None:
    was = restored(read_infotext("a\nSteps: 5, CFG scale: 7, Seed: 1, Size: 511x513"), GenerateRequest())

    assert [notice.split()[:2] for notice in was.notices] == [["width", "511"], ["height", "513"]]


@pytest.mark.parametrize("sampler", sampler_names())
def test_our_own_infotext_gives_the_request_back(sampler: str) -> None:
    request = GenerateRequest(
        prompt='a "quoted" cat, Steps: 3, b', negative_prompt="blur", sampler=sampler, steps=11, cfg_scale=4.5,
        width=64, height=96, seed=5, clip_skip=2, emphasis=Emphasis.NO_NORM,
    )  # fmt: skip
    text = build_infotext(request, 5, MadeWith("tiny", "ab" * 32, (64, 96), {"my, word": "cd" * 32}))

    assert restored(read_infotext(text), GenerateRequest()).request == request
    assert read_infotext(text).embeddings == {"my word": "cd" * 6}


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_for_being_empty(text: str) -> None:
    if text.strip():
        restored(read_infotext(text), GenerateRequest())
    else:
        with pytest.raises(NoInfotext):
            read_infotext(text)


@pytest.mark.parametrize("piece", ["a", "a ", "a: ", 'a: "', "a, ", " ", '"\\'])
def test_an_infotext_of_twenty_thousand_characters_is_no_burden(piece: str) -> None:
    """Each of these once took minutes."""
    assert read_infotext("Steps: 1, " + piece * (20_000 // len(piece)))


def test_a_size_of_thousands_of_digits_is_none() -> None:
    size = "9" * 5000 + "x64"

    assert restored(read_infotext(f"a\nSteps: 5, Seed: 1, Size: {size}"), GenerateRequest()).request.steps == 5


def test_a_giant_picture_and_one_of_a_kind_that_starts_a_program_are_not_read() -> None:
    giant = BytesIO()
    Image.new("1", (8000, 8000)).save(giant, "PNG")
    for content in (giant.getvalue(), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"):
        with pytest.raises(NoInfotext, match=r"8000×8000 pixels|no picture that can be read"):
            infotext_of(content)


def test_a_png_and_a_jpeg_carry_it() -> None:
    information = PngInfo()
    information.add_text("parameters", A1111S)
    png, jpeg = BytesIO(), BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG", pnginfo=information)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111S.encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(jpeg, "JPEG", exif=exif)

    assert infotext_of(png.getvalue()) == A1111S
    assert infotext_of(jpeg.getvalue()) == A1111S


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_without_one_is_refused(content: bytes) -> None:
    with pytest.raises(NoInfotext):
        infotext_of(content)


def keep(folders: Folders, word: str, seed: int) -> Path:
    path = folders.embeddings / f"{word}.safetensors"
    rows = torch.randn(1, TINY_WIDTH, generator=torch.Generator().manual_seed(seed))
    write_embedding(Embedding(word, {"clip_l": rows}), path)
    return path


def told(library: Library, info: CheckpointInfo, **settings: str) -> list[str]:
    return list(doubts(Infotext("", settings={name.replace("_", " "): text for name, text in settings.items()}),
                       library, info))  # fmt: skip


def test_an_embedding_of_the_same_content_is_no_matter(
    folders: Folders, library: Library, tiny_checkpoint: CheckpointInfo
) -> None:
    path = keep(folders, "zzzz1234", 1)

    assert told(library, tiny_checkpoint, TI_hashes=f"ZZZZ1234: {file_sha256(path)[:12]}", Model="tiny") == []


def test_missing_and_different_embeddings_are_told_and_the_same_file_is_offered(
    folders: Folders, library: Library, tiny_checkpoint: CheckpointInfo
) -> None:
    keep(folders, "zzzz1234", 1)
    other = file_sha256(keep(folders, "renamed", 2))[:12]

    notices = told(library, tiny_checkpoint, TI_hashes=f"zzzz1234: {other}, gone: 0123456789ab", Model="v1-5")

    assert notices == [
        "The picture was made with the checkpoint v1-5; tiny is loaded.",
        f"The embedding zzzz1234 is another file than the picture was made with ({other}); "
        "renamed.safetensors is the same file under another name.",
        "The embedding gone is not there.",
    ]


def test_a_checkpoint_in_a_folder_is_known_again_whether_or_not_a_picture_names_the_folder(
    library: Library, tiny_checkpoint: CheckpointInfo
) -> None:
    info = replace(tiny_checkpoint, title="sub/tiny")

    for model in ("tiny", "sub/tiny"):
        assert told(library, info, Model=model) == []
    assert told(library, info, Model="sub/other") != []
