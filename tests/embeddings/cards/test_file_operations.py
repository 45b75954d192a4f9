"""Renaming, moving, copying, deleting and bringing back embeddings with what lies beside them."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_studio.embeddings.cards import file_groups
from ti_studio.embeddings.cards.file_groups import FileTaken
from ti_studio.embeddings.cards.file_operations import EmbeddingFiles, WordTaken
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.errors import BadName
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.last_used import LastUsed
from ti_studio.embeddings.library.library import Entry, Library
from ti_studio.embeddings.sidecars import read_card
from ti_studio.errors import Conflict, NotFound
from ti_studio.folders import OutsideFolder, WriteFailed

Add = Callable[..., Entry]
SIDECARS = ("cat.json", "cat.txt", "cat.preview.png")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "embeddings").mkdir()
    return Library(tmp_path / "embeddings")


@pytest.fixture
def embedding_files(library: Library, tmp_path: Path) -> EmbeddingFiles:
    return EmbeddingFiles(library, LastUsed(tmp_path / "last_used.json"))


@pytest.fixture
def add(library: Library, make: Callable[..., Embedding]) -> Add:
    """Puts an embedding into the library: `add("zoo/cat.pt", "cat.txt")`, with files beside it."""

    def added(name: str, *beside: str) -> Entry:
        path = library.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_embedding(make(path.stem), path)
        for sidecar in beside:
            text = json.dumps({"notes": "n", "negative text": path.stem}) if sidecar.endswith("json") else sidecar
            (path.parent / sidecar).write_text(text)
        library.refresh()
        return next(entry for entry in library.entries() if entry.path == path)

    return added


def files(library: Library) -> list[str]:
    """Returns the paths of all files that are not hidden."""
    found = (path.relative_to(library.root) for path in library.root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != ".trash")


def test_a_renamed_embedding_takes_everything_beside_it_along(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    cat = add("cat.safetensors", *SIDECARS, "catalogue.txt")
    renamed = embedding_files.rename(cat, "Tom.v2")
    assert renamed.word == "Tom.v2"
    assert files(library) == sorted(
        ["Tom.v2.json", "Tom.v2.preview.png", "Tom.v2.safetensors", "Tom.v2.txt", "catalogue.txt"]
    )
    assert read_card(renamed.path).negative
    assert json.loads((library.root / "Tom.v2.json").read_text())["negative text"] == "Tom.v2"
    assert embedding_files.rename(renamed, "tom.v2").word == "tom.v2"


def test_no_file_goes_over_another_and_no_name_over_another(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    cat = add("cat.safetensors", *SIDECARS)
    add("zoo/dog.pt")
    (library.root / "bird.txt").write_text("of a bird that is gone")
    before = files(library)
    with pytest.raises(WordTaken, match=r"taken by zoo/dog\.pt"):
        embedding_files.rename(cat, "DOG")
    with pytest.raises(FileTaken, match=r"bird\.txt is there already"):
        embedding_files.rename(cat, "bird")
    for name in ("", "../out", "a/b", ".hidden", "con", "a\u202eb", "x" * 300):
        with pytest.raises(BadName):
            embedding_files.rename(cat, name)
    assert files(library) == before


def test_an_embedding_is_moved_to_a_folder_that_is_made_for_it(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    cat = add("cat.safetensors", *SIDECARS)
    moved = embedding_files.move(cat, "animals/pets")
    assert moved.relative == "animals/pets/cat.safetensors"
    assert len(files(library)) == 4
    back = embedding_files.move(moved, "")
    assert back.id == cat.id
    add("zoo/cat.safetensors")
    with pytest.raises(FileTaken):
        embedding_files.move(back, "zoo")


@pytest.mark.parametrize("folder", ["..", "a/../..", ".trash", "a/.b", "a\0b", "/".join(["a"] * 20)])
def test_an_embedding_stays_in_the_library(embedding_files: EmbeddingFiles, add: Add, folder: str) -> None:
    with pytest.raises((BadName, OutsideFolder)):
        embedding_files.move(add("cat.pt"), folder)


def test_what_lies_elsewhere_is_left_alone(
    library: Library, embedding_files: EmbeddingFiles, add: Add, tmp_path: Path
) -> None:
    cat = add("cat.safetensors")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.rename(cat.path, elsewhere / "dog.safetensors")
    (library.root / "linked").symlink_to(elsewhere, target_is_directory=True)
    (library.root / "link.safetensors").symlink_to(elsewhere / "dog.safetensors")
    library.refresh()
    assert len(library.entries()) == 2
    for entry in library.entries():
        for change in (
            embedding_files.delete,
            embedding_files.duplicate,
            lambda one: embedding_files.rename(one, "new"),
        ):
            with pytest.raises(OutsideFolder):
                change(entry)
    other = add("other.pt")
    with pytest.raises(OutsideFolder):
        embedding_files.move(other, "linked")
    assert [path.name for path in elsewhere.iterdir()] == ["dog.safetensors"]


def test_a_copy_has_the_same_rows_and_its_own_files(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    cat = add("cat.safetensors", *SIDECARS)
    copy = embedding_files.duplicate(cat)
    assert (copy.word, embedding_files.duplicate(cat).word, embedding_files.duplicate(cat, "Tom").word) == (
        "cat-2",
        "cat-3",
        "Tom",
    )
    assert copy.path.read_bytes() == cat.path.read_bytes()
    assert len(files(library)) == 16
    assert json.loads((library.root / "cat-2.json").read_text())["negative text"] == "cat-2"


def test_what_was_deleted_can_be_brought_back(library: Library, embedding_files: EmbeddingFiles, add: Add) -> None:
    cat = add("zoo/cat.safetensors", *SIDECARS)
    before = files(library)
    item = embedding_files.delete(cat)
    assert (files(library), library.entries()) == ([], ())
    assert not list(library.root.rglob("*.safetensors")), "other programs must not find what was deleted"
    assert [(one.name, one.folder) for one in embedding_files.trashed()] == [("cat.safetensors", "zoo")]
    restored = embedding_files.restore(item.id)
    assert restored is not None
    assert (restored.id, files(library), embedding_files.trashed()) == (cat.id, before, [])


def test_what_is_brought_back_goes_over_nothing(library: Library, embedding_files: EmbeddingFiles, add: Add) -> None:
    item = embedding_files.delete(add("cat.pt"))
    add("cat.pt")
    with pytest.raises(FileTaken):
        embedding_files.restore(item.id)
    assert len(embedding_files.trashed()) == 1
    for identity in ("..", "../cat.pt", item.id + "0", ""):
        with pytest.raises(NotFound):
            embedding_files.restore(identity)
    assert (embedding_files.empty_trash(), embedding_files.trashed()) == (1, [])
    assert files(library) == ["cat.pt"]


def test_two_files_of_one_word_share_what_is_beside_them(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    add("cat.pt", *SIDECARS)
    safetensors = add("cat.safetensors")
    embedding_files.move(safetensors, "zoo")
    assert files(library) == sorted(
        ["cat.pt", *SIDECARS, "zoo/cat.safetensors", *(f"zoo/{sidecar}" for sidecar in SIDECARS)]
    )
    third = add("cat.safetensors")
    embedding_files.delete(third)
    assert (library.root / "cat.txt").exists()


def test_a_preview_is_replaced_and_the_old_one_comes_back(
    library: Library, embedding_files: EmbeddingFiles, add: Add
) -> None:
    cat = add("cat.pt", "cat.png", "cat.preview.png", "cat.txt")
    item = embedding_files.set_preview(cat, b"new")
    assert item is not None
    assert files(library) == ["cat.preview.png", "cat.pt", "cat.txt"]
    assert (library.root / "cat.preview.png").read_bytes() == b"new"
    embedding_files.restore_preview(cat, item.id)
    assert (library.root / "cat.preview.png").read_text() == "cat.preview.png"
    assert (library.root / "cat.png").exists()
    embedding_files.set_preview(cat, None)
    assert files(library) == ["cat.pt", "cat.txt"]


def test_a_word_that_is_being_trained_is_left_alone(library: Library, add: Add, tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        if word == "cat":
            raise Conflict("'cat' is being trained.")

    embedding_files = EmbeddingFiles(library, LastUsed(tmp_path / "used.json"), refuse)
    cat, dog = add("cat.pt"), add("dog.pt")
    for change in (
        lambda: embedding_files.delete(cat),
        lambda: embedding_files.move(cat, "zoo"),
        lambda: embedding_files.rename(cat, "tom"),
        lambda: embedding_files.rename(dog, "cat"),
    ):
        with pytest.raises(Conflict, match="being trained"):
            change()
    assert files(library) == ["cat.pt", "dog.pt"]


@pytest.mark.parametrize("which", [0, 1, 3])
def test_where_a_file_can_not_be_moved_none_is(
    library: Library, embedding_files: EmbeddingFiles, add: Add, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    cat = add("cat.safetensors", *SIDECARS)
    before = files(library)
    put, count = file_groups._put, iter(range(100))

    def failing(source: Path, target: Path) -> None:
        if next(count) == which:
            raise OSError(errno.ENOSPC, "no space")
        put(source, target)

    monkeypatch.setattr(file_groups, "_put", failing)
    with pytest.raises(WriteFailed, match=r"the disk is full. Nothing was changed"):
        embedding_files.rename(cat, "tom")
    assert files(library) == before
    with pytest.raises(WriteFailed):
        count = iter(range(100))
        embedding_files.delete(cat)
    assert (files(library), embedding_files.trashed()) == (before, [])


def test_without_hard_links_nothing_is_written_over_either(
    library: Library, embedding_files: EmbeddingFiles, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **_more: object) -> None:
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", refuse)
    cat = add("cat.safetensors", *SIDECARS)
    renamed = embedding_files.rename(cat, "tom")
    assert files(library) == sorted(["tom.safetensors", "tom.json", "tom.txt", "tom.preview.png"])
    (library.root / "bird.safetensors").write_bytes(b"not an embedding")
    with pytest.raises(FileTaken):
        file_groups.move_files([(renamed.path, library.root / "bird.safetensors")])
