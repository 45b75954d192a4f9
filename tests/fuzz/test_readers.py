"""Whatever bytes or text a reader is given, it answers or says what is wrong, soon, and nothing else happens."""

import base64
import io
import json
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError

from tests.fuzz.mutations import VALUES, damaged, headers, json_bytes, noisy, pickled, safetensors
from ti_studio.embeddings.embedding import Embedding, UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding, summarize_embedding
from ti_studio.embeddings.formats.headers import read_header
from ti_studio.embeddings.formats.layouts import to_a1111
from ti_studio.embeddings.formats.pickles import load_pickle
from ti_studio.embeddings.formats.png_embeddings import CHUNK, picture_with
from ti_studio.embeddings.sidecars import read_card
from ti_studio.errors import StudioError
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.restoring import NoInfotext, infotext_of, read_infotext, restored
from ti_studio.prompts.composable import split_and
from ti_studio.prompts.grammar import Emphasis, read_emphasis
from ti_studio.prompts.schedule import edited
from ti_studio.prompts.tags import take_tags_out
from ti_studio.training.config.learning_rate import BadSchedule, LearningRateSchedule

FUZZ = settings.get_profile("fuzz")
GOLDEN = [path for path in sorted((Path(__file__).parents[1] / "golden").iterdir()) if path.suffix != ".py"]
PICKLES = [path.read_bytes() for path in GOLDEN if path.suffix in (".pt", ".bin")]
SAFETENSORS = [path.read_bytes() for path in GOLDEN if path.suffix == ".safetensors"]
LONGEST_SECONDS = 30
INFOTEXT = (
    'a (cat:1.2), [dog]\nNegative prompt: low\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512, \
Model hash: 0123456789, TI hashes: "cat: 0123456789ab, dog: ba9876543210", Version: v1.10.1'
)


class Hanging(BaseException):
    """A reader did not come back. No reader catches it."""


@contextmanager
def within_a_while() -> Iterator[None]:
    """Ends what hangs. Only the operating systems that have alarms can."""
    if sys.platform == "win32":
        yield
        return

    def ring(_: int, __: FrameType | None) -> None:
        raise Hanging

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def cards() -> list[bytes]:
    """A1111's pictures with an embedding inside, in each of the formats, with and without their text."""
    embedding = Embedding("cat", {"clip_l": torch.arange(8.0).reshape(1, 8) / 8}, 7)
    png = picture_with(to_a1111(embedding), Image.linear_gradient("L").resize((32, 64)).convert("RGB"))
    found = [png]
    for form in ("png", "webp"):
        file = io.BytesIO()
        Image.open(io.BytesIO(png)).save(file, form, lossless=True)
        found.append(file.getvalue())
    return found


CARDS = cards()


def pictures_with_infotext() -> list[bytes]:
    information = PngInfo()
    information.add_text("parameters", INFOTEXT)
    information.add_itxt("Comment", INFOTEXT, zip=True)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + INFOTEXT.encode("utf-16-be")
    picture, files = Image.new("RGB", (8, 8)), [io.BytesIO() for _ in range(4)]
    picture.save(files[0], "PNG", pnginfo=information)
    picture.save(files[1], "PNG", exif=exif)
    picture.save(files[2], "JPEG", exif=exif)
    picture.save(files[3], "WEBP", exif=exif)
    return [file.getvalue() for file in files]


@pytest.mark.parametrize("ending", [".pt", ".bin", ".safetensors", ".png", ".webp", ".avif", ".jxl"])
@settings(FUZZ)
@given(data=st.data())
def test_any_file_is_an_embedding_or_unreadable(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    kinds = {".pt": PICKLES, ".bin": PICKLES, ".safetensors": SAFETENSORS}
    path = tmp_path / f"cat{ending}"
    path.write_bytes(data.draw(noisy(kinds.get(ending, CARDS))))
    check_both_readers(path)


def check_both_readers(path: Path) -> None:
    """Reads a file in outline, and whole: what both can read they read alike, what the outline refuses the other
    refuses too, and what only the whole file shows is damage among the numbers."""
    told: list[object] = []
    for read in (summarize_embedding, read_embedding):
        with within_a_while():
            try:
                found = read(path)
                told.append((found.widths, found.vectors_per_token, found.step))
            except UnreadableEmbedding as error:
                assert str(error).startswith(f"{path.name} ")
                assert str(error).isprintable()
                told.append(str(error))
    outlined, whole = told
    if isinstance(outlined, str):
        assert isinstance(whole, str)
    elif isinstance(whole, str):
        assert "is damaged" in whole
    else:
        assert outlined == whole


@settings(FUZZ)
@given(pickled())
def test_any_instructions_are_loaded_or_refused(content: bytes) -> None:
    with within_a_while():
        try:
            load_pickle(content)
        except UnreadableEmbedding as error:
            assert str(error)


@settings(FUZZ)
@given(pickled() | damaged(PICKLES), st.sampled_from([".pt", ".bin"]))
def test_whatever_a_pickle_holds_is_an_embedding_or_none(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"cat{ending}"
    path.write_bytes(content)
    check_both_readers(path)


@settings(FUZZ)
@given(
    headers() | damaged([SAFETENSORS[0][8:200]]) | json_bytes(),
    st.sampled_from([0, 4, 8, 16, 32, 64]) | st.integers(0, 64),
)
def test_any_header_is_one_or_damaged(tmp_path: Path, header: bytes, size: int) -> None:
    content = safetensors(header, size)
    path = tmp_path / "cat.safetensors"
    path.write_bytes(content)
    with within_a_while():
        try:
            read_header(io.BytesIO(content), len(content))
        except UnreadableEmbedding as error:
            assert str(error)
    check_both_readers(path)


@settings(FUZZ)
@given(VALUES, st.sampled_from(["*", "emb_params", "clip_l"]))
def test_any_json_in_a_card_is_an_embedding_or_damaged(tmp_path: Path, value: object, key: str) -> None:
    path = tmp_path / "cat.png"
    for content in (value, {"string_to_param": value}, {"string_to_param": {key: value}, "step": value, "name": value}):
        information = PngInfo()
        information.add_text(CHUNK, json_card(content))
        Image.new("RGB", (2, 2)).save(path, pnginfo=information)
        with within_a_while():
            try:
                read_embedding(path)
            except UnreadableEmbedding as error:
                assert str(error)


def json_card(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(FUZZ)
@given(noisy(pictures_with_infotext()))
def test_any_picture_says_how_it_was_made_or_that_it_does_not(content: bytes) -> None:
    with within_a_while():
        try:
            text = infotext_of(content)
        except NoInfotext as error:
            assert str(error)
        else:
            restored(read_infotext(text), GenerateRequest())


@settings(FUZZ)
@given(damaged([INFOTEXT.encode()]) | st.text(max_size=100).map(str.encode))
def test_any_infotext_is_restored_as_far_as_it_goes(content: bytes) -> None:
    text = content.decode(errors="replace")
    with within_a_while():
        try:
            infotext = read_infotext(text)
        except NoInfotext:
            assert not text.strip()
        else:
            assert infotext.embeddings is not None
            restored(infotext, GenerateRequest())


@settings(FUZZ)
@given(json_bytes(), st.binary(max_size=100))
def test_any_sidecar_is_read_or_reported(tmp_path: Path, written: bytes, described: bytes) -> None:
    (tmp_path / "cat.json").write_bytes(written)
    (tmp_path / "cat.txt").write_bytes(described)
    with within_a_while():
        card = read_card(tmp_path / "cat.safetensors")
    assert isinstance(card.description + card.notes, str)


PROMPT = "a (cat:1.2) [b:c:0.5], [d|e] AND <embedding:my cat:0.8> BREAK \\(x\\) embedding:y <lora:z:1> :-0.5"


@settings(FUZZ)
@given(
    damaged([PROMPT.encode()]).map(lambda content: content.decode(errors="replace"))
    | st.text(alphabet="ab1.5e-:|()[]<>\\, \n", max_size=80)
    | st.lists(st.sampled_from(["AND", "BREAK", "(", ":1.2)", "[", "|", "]", ":", "<", "embedding:", "a", " "])).map(
        "".join
    ),
    st.sampled_from(Emphasis),
    st.integers(1, 150),
)
def test_any_prompt_has_a_reading(text: str, emphasis: Emphasis, steps: int) -> None:
    with within_a_while():
        tagged = take_tags_out(text)
        for part, weight in split_and(tagged.text):
            assert math.isfinite(weight)
            stages = edited(part, steps)
            assert stages[-1].last_step == steps
            for stage in stages:
                assert tagged.put_back(read_emphasis(stage.text, emphasis))


@settings(FUZZ)
@given(
    damaged([b"0.005:100, 1e-3:1000, 1e-5"]).map(lambda content: content.decode(errors="replace"))
    | st.lists(st.sampled_from(["1", "0.", "e", "-", "9" * 310, ":", ",", " ", "inf", "nan", "_", "٣"])).map("".join)
)
def test_any_schedule_can_be_followed_or_is_refused_at_its_place(text: str) -> None:
    try:
        schedule = LearningRateSchedule.parse(text)
    except BadSchedule as error:
        assert isinstance(error, StudioError)
        return
    assert all(schedule.rate(step) > 0 for step in (1, 100, 10**9))


@settings(FUZZ)
@given(st.dictionaries(st.sampled_from(list(GenerateRequest.model_fields)), VALUES, max_size=5))
def test_any_request_is_one_or_is_refused(values: dict[str, object]) -> None:
    try:
        GenerateRequest(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        assert error.errors()
