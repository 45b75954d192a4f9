"""Links in the library: to folders they are followed, to files only where they lead to what they claim to be."""

import shutil
from pathlib import Path

import pytest
import torch

from ti_studio.embeddings.cards.file_groups import FileGroup, copy_files, move_files
from ti_studio.embeddings.cards.file_operations import EmbeddingFiles
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.embeddings.library.last_used import LastUsed
from ti_studio.embeddings.library.library import EntryState, Library
from ti_studio.embeddings.sidecars import read_card

SECRET = "root:x:0:0:nobody-may-read-this"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside of the library, with a secret and an embedding in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "passwd").write_text(SECRET)
    (folder / "config.json").write_text(f'{{"description": "{SECRET}"}}')
    (folder / "secret.txt").write_text(SECRET)
    write_embedding(Embedding("shared", {"clip_l": torch.ones(2, 96)}), folder / "shared.safetensors")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The library's folder."""
    made = tmp_path / "embeddings"
    made.mkdir()
    return made


@pytest.mark.parametrize("name", ["pw.safetensors", "pw.pt", "pw.bin"])
def test_a_link_to_a_file_of_another_kind_is_not_opened(root: Path, elsewhere: Path, name: str) -> None:
    (root / name).symlink_to(elsewhere / "passwd")
    (root / f"again{Path(name).suffix}").symlink_to(root / name)
    library = Library(root)
    library.refresh()

    assert len(library.entries()) == 2
    for entry in library.entries():
        assert entry.state is EntryState.UNREADABLE
        assert "is a link to a file of another kind, which was not opened" in (entry.reason or "")
    with pytest.raises(UnreadableEmbedding, match="is a link to a file of another kind"):
        read_embedding(root / name)


def test_links_to_embeddings_and_to_folders_of_them_are_followed(root: Path, elsewhere: Path) -> None:
    (root / "one.safetensors").symlink_to(elsewhere / "shared.safetensors")
    (root / "all").symlink_to(elsewhere)
    library = Library(root)
    library.refresh()

    assert {entry.relative for entry in library.entries() if entry.state is EntryState.USABLE} == {
        "one.safetensors",
        "all/shared.safetensors",
    }


def test_what_is_written_beside_an_embedding_is_not_read_through_a_link(root: Path, elsewhere: Path) -> None:
    shutil.copy(elsewhere / "shared.safetensors", root / "cat.safetensors")
    (root / "cat.json").symlink_to(elsewhere / "config.json")
    (root / "cat.txt").symlink_to(elsewhere / "secret.txt")
    (root / "cat.description.txt").symlink_to(elsewhere / "passwd")

    card = read_card(root / "cat.safetensors")

    assert card.description == ""
    assert card.problem is not None and "cat.json is a link to a file in another folder" in card.problem
    assert SECRET not in str(card)


def test_cards_of_a_linked_folder_are_read(root: Path, elsewhere: Path) -> None:
    (elsewhere / "shared.txt").write_text("a striped animal")
    (root / "all").symlink_to(elsewhere)

    assert read_card(root / "all" / "shared.safetensors").description == "a striped animal"


def test_no_copy_brings_the_content_of_a_file_elsewhere_into_the_library(root: Path, elsewhere: Path) -> None:
    shutil.copy(elsewhere / "shared.safetensors", root / "cat.safetensors")
    (root / "cat.txt").symlink_to(elsewhere / "secret.txt")
    library = Library(root)
    library.refresh()
    embedding_files = EmbeddingFiles(library, LastUsed(root / "used.json"))

    made = embedding_files.duplicate(library.entries()[0], "dog")

    assert (root / "dog.txt").is_symlink()
    assert SECRET not in str(read_card(made.path))
    copy_files(FileGroup.of(root / "cat.safetensors").renamed(root, "cow"))
    move_files(FileGroup.of(root / "cow.safetensors").renamed(root, "pig"))
    assert (root / "pig.txt").is_symlink() and (elsewhere / "secret.txt").read_text() == SECRET
