"""Pictures with an embedding inside are words of the library; other pictures are not, and are looked at only once."""

import base64
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.cards.file_operations import EmbeddingFiles
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats import png_embeddings
from ti_studio.embeddings.formats.export import export
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library import scanner as scanner_module
from ti_studio.embeddings.library.last_used import LastUsed
from ti_studio.embeddings.library.library import EntryState, Library

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
Make = Callable[..., Embedding]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the pictures whose pixels were looked at."""
    sizes: list[int] = []
    original = png_embeddings._from_pixels

    def noted(pixels: png_embeddings._Block) -> bytes:
        sizes.append(pixels.size)
        return original(pixels)

    monkeypatch.setattr(png_embeddings, "_from_pixels", noted)
    return sizes


def picture(path: Path) -> Path:
    Image.new("RGB", (32, 32), "white").save(path)
    return path


def started(root: Path) -> Library:
    time.sleep(0.03)
    library = Library(root, root.parent / "cache")
    library.refresh()
    return library


def test_a1111s_pictures_are_words_under_their_file_names(root: Path) -> None:
    shutil.copy(GOLDEN / "a1111_card.png", root / "cat.png")
    shutil.copy(GOLDEN / "a1111_card_stripped.webp", root / "dog.webp")
    library = started(root)
    cat, dog = library.usable({"clip_l": 8}).values()
    assert (cat.word, cat.vectors_per_token, cat.step, cat.family) == ("cat", 2, 1500, "SD 1")
    assert (dog.word, dog.preview) == ("dog", root / "dog.webp")
    assert torch.equal(library.load(cat).vectors["clip_l"], library.load(dog).vectors["clip_l"])
    assert library.sha256(cat) != library.sha256(dog)


def test_previews_and_ordinary_pictures_are_none(root: Path, make: Make, decoded: list[int]) -> None:
    write_embedding(make(), root / "cat.safetensors")
    for name in ("cat.png", "cat.preview.png", "Cat.webp", "hat.preview.png", "loose.png"):
        picture(root / name)
    (root / "text.png").write_text("no picture")
    library = started(root)
    assert [entry.path.name for entry in library.entries()] == ["cat.safetensors"]
    assert len(decoded) == 1, "only the loose one can't be told from its name"
    assert not library.refresh()
    assert len(decoded) == 1


def test_a_picture_of_the_name_of_an_embedding_file_belongs_to_it_even_with_one_inside(root: Path, make: Make) -> None:
    shutil.copy(GOLDEN / "a1111_card.png", root / "cat.png")
    library = started(root)
    assert [entry.path.name for entry in library.entries()] == ["cat.png"]
    write_embedding(make(), root / "cat.pt")
    library.refresh()
    assert [(entry.path.name, entry.preview, entry.conflict) for entry in library.entries()] == [
        ("cat.pt", root / "cat.png", None)
    ]


def test_a_restart_decodes_no_picture_again(root: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "WORTH_KEEPING", 1)
    shutil.copy(GOLDEN / "a1111_card_stripped.webp", root / "cat.webp")
    picture(root / "loose.png")
    first = started(root).entries()
    assert len(decoded) == 2
    again = started(root)
    assert again.entries() == first
    assert len(decoded) == 2
    shutil.copy(GOLDEN / "a1111_card.png", root / "loose.png")
    time.sleep(0.03)
    assert again.refresh()
    assert [entry.word for entry in again.entries()] == ["cat", "loose"]
    picture(root / "loose.png")
    time.sleep(0.03)
    assert again.refresh()
    assert [entry.word for entry in again.entries()] == ["cat"]


def test_the_pixels_are_not_looked_at_where_there_is_a_chunk(root: Path, decoded: list[int]) -> None:
    shutil.copy(GOLDEN / "a1111_card.png", root / "cat.png")
    assert len(started(root).entries()) == 1
    assert decoded == []


def test_a_damaged_chunk_is_a_file_that_says_so(root: Path) -> None:
    information = PngInfo()
    information.add_text("sd-ti-embedding", base64.b64encode(b'{"string_to_param"').decode())
    Image.new("RGB", (8, 8), "white").save(root / "cat.png", pnginfo=information)
    (entry,) = started(root).entries()
    assert entry.state is EntryState.UNREADABLE
    assert entry.reason is not None
    assert entry.reason.startswith("cat.png is damaged: ")


def test_a_picture_entry_shows_itself_or_the_preview_that_it_was_given(root: Path, make: Make) -> None:
    export(make("cat"), "png", root)
    library = started(root)
    (cat,) = library.entries()
    assert cat.preview == root / "cat.png"
    embedding_files = EmbeddingFiles(library, LastUsed(root.parent / "last_used.json"))
    picture(root.parent / "new.png")
    embedding_files.set_preview(cat, (root.parent / "new.png").read_bytes())
    (cat,) = library.entries()
    assert cat.preview == root / "cat.preview.png"
    embedding_files.set_preview(cat, None)
    (cat,) = library.entries()
    assert cat.preview == root / "cat.png"
    renamed = embedding_files.rename(cat, "tom")
    assert (renamed.word, [path.name for path in root.iterdir() if path.is_file()]) == ("tom", ["tom.png"])
    embedding_files.delete(renamed)
    assert library.entries() == ()
