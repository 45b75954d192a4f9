"""The library on real files. Times are set explicitly where a test depends on them."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ti_studio.embeddings.embedding import Embedding, UnreadableEmbedding
from ti_studio.embeddings.formats.files import file_sha256, write_embedding
from ti_studio.embeddings.library import library as library_module
from ti_studio.embeddings.library import scanner as scanner_module
from ti_studio.embeddings.library import walk as walk_module
from ti_studio.embeddings.library.library import Entry, EntryState, Library
from ti_studio.errors import NotFound

SD1 = {"clip_l": 96}
Make = Callable[..., Embedding]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def library(root: Path) -> Library:
    return Library(root)


def aged(path: Path, seconds: float = 60) -> Path:
    """Gives a file an older time; its times no longer being the present is what lets the library trust them."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def settle() -> None:
    """Waits until files written so far are older than a tick of the file system's clock."""
    time.sleep(0.03)


def words(library: Library) -> list[str]:
    return [entry.word for entry in library.entries()]


def test_the_first_files_of_a_large_library_are_there_before_the_first_look_is_over(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embedding(make("cat"), root / "0.safetensors")
    for number in range(1, scanner_module.FIRST_PART + 40):
        shutil.copy(root / "0.safetensors", root / f"{number}.safetensors")
    settle()
    reached, goes_on = threading.Event(), threading.Event()
    whole = scanner_module.summarize_embedding

    def slow(path: Path) -> object:
        if path.name == "99.safetensors":  # the last by path
            reached.set()
            goes_on.wait(60)
        return whole(path)

    monkeypatch.setattr(scanner_module, "summarize_embedding", slow)
    assert library.glance() is False
    reached.wait(60)
    assert len(library.entries()) == scanner_module.FIRST_PART
    assert library.glance() is False  # and waits for nothing
    goes_on.set()
    assert library.refresh()
    assert len(library.entries()) == scanner_module.FIRST_PART + 40
    (root / "0.safetensors").unlink()
    assert library.glance() is True
    assert len(library.entries()) == scanner_module.FIRST_PART + 39


def test_a_glance_waits_for_a_small_librarys_first_look_and_for_none_that_fails(
    root: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embedding(make("cat"), root / "cat.safetensors")
    library = Library(root)
    library.glance()
    assert words(library) == ["cat"]

    def broken(path: Path) -> object:
        raise AssertionError

    monkeypatch.setattr(scanner_module, "summarize_embedding", broken)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    failing = Library(root)
    assert failing.glance() is False
    monkeypatch.undo()
    failing.refresh()
    assert (failing.glance(), words(failing)) == (True, ["cat"])


def test_an_empty_or_missing_folder_is_an_empty_library(root: Path) -> None:
    for folder in (root, root / "nowhere"):
        library = Library(folder)
        library.refresh()
        assert library.entries() == ()
        assert library.version == 0


def test_what_is_dropped_in_is_seen_with_all_that_is_known_of_it(root: Path, library: Library, make: Make) -> None:
    path = root / "things" / "Blue Cat.safetensors"
    path.parent.mkdir()
    write_embedding(make("Blue Cat", step=500, clip_l=(4, 96)), path)
    (root / "things" / "Blue Cat.preview.png").touch()
    assert library.refresh()
    (entry,) = library.entries()
    assert (entry.word, entry.folder, entry.relative) == ("Blue Cat", "things", "things/Blue Cat.safetensors")
    assert (entry.state, entry.reason, entry.conflict) == (EntryState.USABLE, None, None)
    assert (entry.vectors_per_token, entry.family, entry.step, entry.widths) == (4, "SD 1", 500, SD1)
    assert (entry.path, entry.size) == (path, path.stat().st_size)
    assert entry.modified == pytest.approx(path.stat().st_mtime)
    assert entry.metadata["ti_studio.trigger"] == "Blue Cat"
    assert entry.preview == root / "things" / "Blue Cat.preview.png"
    assert library.by_id(entry.id) is entry
    assert len(entry.id) == 16


def test_files_of_each_state_carry_their_reasons(root: Path, library: Library, make: Make) -> None:
    write_embedding(make("cat"), root / "cat.safetensors")
    write_embedding(make("big", clip_l=(1, 768), clip_g=(1, 1280)), root / "big.safetensors")
    (root / "broken.pt").write_bytes(b"hello")
    library.refresh()
    assert [(entry.word, entry.state, entry.reason) for entry in library.entries(SD1)] == [
        ("big", EntryState.INCOMPATIBLE, "made for SDXL; the checkpoint is SD 1"),
        ("broken", EntryState.UNREADABLE, "broken.pt is damaged or no torch file."),
        ("cat", EntryState.USABLE, None),
    ]
    assert library.usable(SD1).keys() == {"cat"}
    assert library.usable({"clip_l": 768, "clip_g": 1280}).keys() == {"big"}


def test_an_unchanged_file_is_not_read_again(root: Path, library: Library, make: Make, read: list[str]) -> None:
    for name in ("a.safetensors", "b.pt"):
        write_embedding(make(), root / name)
    settle()
    assert library.refresh()
    assert read == ["a.safetensors", "b.pt"]
    version = library.version
    assert not library.refresh()
    write_embedding(make(), root / "c.pt")
    settle()
    assert library.refresh()
    assert read == ["a.safetensors", "b.pt", "c.pt"]
    assert library.version == version + 1


def test_renaming_moving_deleting_and_changing_case_are_all_seen(root: Path, library: Library, make: Make) -> None:
    write_embedding(make(), root / "cat.safetensors")
    library.refresh()
    first = library.entries()[0].id
    (root / "cat.safetensors").rename(root / "dog.safetensors")
    assert library.refresh()
    assert words(library) == ["dog"]
    with pytest.raises(NotFound):
        library.by_id(first)
    (root / "dog.safetensors").rename(root / "Dog.safetensors")
    assert library.refresh()
    assert words(library) == ["Dog"]
    (root / "sub").mkdir()
    (root / "Dog.safetensors").rename(root / "sub" / "Dog.safetensors")
    assert library.refresh()
    assert [entry.folder for entry in library.entries()] == ["sub"]
    (root / "sub" / "Dog.safetensors").unlink()
    assert library.refresh()
    assert words(library) == []


def test_a_file_overwritten_by_an_older_one_is_seen(root: Path, library: Library, make: Make) -> None:
    path = root / "cat.safetensors"
    write_embedding(make(step=2), path)
    settle()
    library.refresh()
    write_embedding(make(step=1), root / "old.safetensors")
    shutil.copy2(aged(root / "old.safetensors", 3600), path)
    assert library.refresh()
    assert library.by_id(next(entry.id for entry in library.entries() if entry.word == "cat")).step == 1


def test_a_file_overwritten_in_place_with_its_size_and_time_kept_is_seen(
    root: Path, library: Library, make: Make
) -> None:
    write_embedding(make(step=1), root / "cat.safetensors")
    path = aged(root / "cat.safetensors")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    settle()
    library.refresh()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b'"ti_studio.step":"1"', b'"ti_studio.step":"9"'))
    os.utime(path, ns=times)
    assert library.refresh()
    assert library.entries()[0].step == 9


def test_two_changes_within_one_tick_of_the_clock_are_both_seen(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns() + 60 * 10**9  # a tick that lasts as long as this test

    def coarse(about: os.stat_result) -> tuple[int, ...]:
        return (about.st_size, now, now, about.st_ino)

    monkeypatch.setattr(walk_module, "facts_of", coarse)
    for step in range(10, 20):
        with (root / "cat.pt").open("wb") as file:
            torch.save({"string_to_param": {"*": torch.full((1, 96), float(step))}, "step": step}, file)
        assert library.refresh()
        entry = library.usable(SD1)["cat"]
        assert entry.step == step
        assert library.load(entry).vectors["clip_l"][0, 0] == step
        assert not library.refresh()


def test_a_file_that_changes_while_it_is_read_is_not_half_read(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embedding(make(step=1), root / "cat.safetensors")
    settle()
    library.refresh()
    original = scanner_module.summarize_embedding

    def overtaken(path: Path) -> object:
        summary = original(path)
        write_embedding(make(step=3), path)
        return summary

    write_embedding(make(step=2), root / "cat.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(scanner_module, "summarize_embedding", overtaken)
        assert not library.refresh()
    assert library.entries()[0].step == 1
    assert library.refresh()
    assert library.entries()[0].step == 3


def test_a_file_that_is_still_being_copied_becomes_usable_when_it_is_whole(
    root: Path, library: Library, make: Make
) -> None:
    write_embedding(make(), root / "whole.safetensors")
    content = (root / "whole.safetensors").read_bytes()
    (root / "cat.safetensors").write_bytes(content[:-100])
    library.refresh()
    entry = library.entries()[0]
    assert (entry.state, entry.word) == (EntryState.UNREADABLE, "cat")
    assert entry.reason is not None
    assert "is cut off" in entry.reason
    (root / "cat.safetensors").write_bytes(content)
    library.refresh()
    assert library.entries()[0].state is EntryState.USABLE


def test_the_first_of_two_files_with_one_word_is_used_and_the_other_says_so(
    root: Path, library: Library, make: Make
) -> None:
    for folder, step in (("a", 1), ("b", 2)):
        (root / folder).mkdir()
        write_embedding(make(step=step), root / folder / ("Cat.pt" if folder == "a" else "cat.safetensors"))
    library.refresh()
    assert [entry.conflict for entry in library.entries()] == [None, "a/Cat.pt"]
    assert library.usable(SD1)["cat"].step == 1
    (root / "a" / "Cat.pt").unlink()
    library.refresh()
    assert library.usable(SD1)["cat"].step == 2


def test_rows_are_read_once_and_anew_when_the_file_changed(root: Path, library: Library, make: Make) -> None:
    write_embedding(make(), root / "cat.safetensors")
    library.refresh()
    entry = library.usable(SD1)["cat"]
    rows = library.load(entry)
    assert torch.equal(rows.vectors["clip_l"], make().vectors["clip_l"])
    assert library.load(entry) is rows
    write_embedding(Embedding("cat", {"clip_l": torch.ones(2, 96)}), root / "cat.safetensors")
    assert library.load(entry) is rows
    library.refresh()
    assert torch.equal(library.load(library.usable(SD1)["cat"]).vectors["clip_l"], torch.ones(2, 96))


def test_a_file_changed_or_deleted_since_the_last_refresh_is_not_taken_for_the_old_one(
    root: Path, library: Library, make: Make
) -> None:
    write_embedding(make(), root / "cat.safetensors")
    settle()
    library.refresh()
    entry = library.entries()[0]
    write_embedding(make(step=2, clip_l=(5, 96)), root / "cat.safetensors")
    with pytest.raises(UnreadableEmbedding, match="cat is being changed on disk"):
        library.load(entry)
    with pytest.raises(UnreadableEmbedding, match="cat is being changed on disk"):
        library.sha256(entry)
    (root / "cat.safetensors").unlink()
    with pytest.raises(UnreadableEmbedding, match="cat can't be read any more: No such file"):
        library.load(entry)


def test_a_file_that_changes_while_its_rows_are_read_is_not_half_read(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embedding(make(step=1), root / "cat.safetensors")
    settle()
    library.refresh()
    original = library_module.read_embedding

    def overtaken(path: Path) -> Embedding:
        embedding = original(path)
        write_embedding(make(step=2), path)
        return embedding

    with monkeypatch.context() as patch:
        patch.setattr(library_module, "read_embedding", overtaken)
        with pytest.raises(UnreadableEmbedding, match="cat is being changed on disk"):
            library.load(library.entries()[0])
    library.refresh()
    assert library.load(library.entries()[0]).step == 2


def test_what_only_reading_shows_makes_the_entry_unreadable_for_everybody(root: Path, library: Library) -> None:
    safetensors.torch.save_file({"emb_params": torch.full((1, 96), float("nan"))}, root / "cat.safetensors")
    settle()
    library.refresh()
    entry, version = library.usable(SD1)["cat"], library.version
    with pytest.raises(UnreadableEmbedding, match="NaN"):
        library.load(entry)
    assert library.version == version + 1
    assert library.usable(SD1) == {}
    assert "NaN" in str(library.entries()[0].reason)
    assert not library.refresh()
    with pytest.raises(UnreadableEmbedding, match="NaN"):
        library.load(library.entries()[0])


def test_the_hash_is_the_files_and_worked_out_once(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embedding(make(), root / "cat.safetensors")
    settle()
    library.refresh()
    entry = library.entries()[0]
    expected = file_sha256(root / "cat.safetensors")
    assert library.sha256(entry) == expected
    monkeypatch.setattr(library_module, "file_sha256", None)
    assert library.sha256(entry) == expected


def test_a_new_preview_is_seen_without_reading_the_embedding(
    root: Path, library: Library, make: Make, read: list[str]
) -> None:
    write_embedding(make(), root / "cat.safetensors")
    settle()
    library.refresh()
    (root / "cat.png").touch()
    assert library.refresh()
    assert library.entries()[0].preview == root / "cat.png"
    assert read == ["cat.safetensors"]


@pytest.mark.parametrize("name", ["gnp\u202egpj", "a\nb", "a\x1b[31mb", "sub\u200b/cat"])
def test_a_name_with_characters_that_cannot_be_seen_is_unreadable_and_shown_safely(
    root: Path, library: Library, make: Make, name: str
) -> None:
    path = root / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    write_embedding(make(), path)
    library.refresh()
    (entry,) = library.entries()
    assert entry.state is EntryState.UNREADABLE
    assert "its path has U+" in str(entry.reason)
    assert (entry.word + entry.folder + entry.relative).isprintable()
    assert entry.path == path


def test_a_name_that_is_no_text_at_all_is_unreadable_and_shown_safely(root: Path, library: Library, make: Make) -> None:
    write_embedding(make(), root / "cat.safetensors")
    try:
        os.rename(os.fsencode(root / "cat.safetensors"), os.fsencode(root) + b"/c\xfft.safetensors")
    except OSError as error:
        assert error.errno == errno.EILSEQ
        pytest.skip("this file system takes only names that are text")
    library.refresh()
    (entry,) = library.entries()
    assert entry.word == "c\ufffdt"
    assert entry.word.encode()
    assert entry.id


def test_the_log_tells_of_a_change_once(root: Path, library: Library, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (root / "cat.pt").write_bytes(b"hello")
    settle()
    for _ in range(3):
        library.refresh()
        library.entries(SD1)
    assert [record.getMessage() for record in caplog.records] == [
        "Embedding cat.pt is unreadable: cat.pt is damaged or no torch file."
    ]


def test_a_folder_that_disappears_is_told_once_and_its_return_is_seen(
    root: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    folder = root / "embeddings"
    folder.mkdir()
    write_embedding(make(), folder / "cat.pt")
    library = Library(folder)
    library.refresh()
    folder.rename(root / "away")
    assert library.refresh()
    assert not library.refresh()
    assert words(library) == []
    assert len([record for record in caplog.records if "can't be listed" in record.getMessage()]) == 1
    (root / "away").rename(folder)
    assert library.refresh()
    assert words(library) == ["cat"]


def half_read(library: Library, entry: Entry) -> str:
    """Returns what is wrong with the rows of an entry, each file's numbers being all the same."""
    try:
        rows = library.load(entry).vectors["clip_l"]
    except UnreadableEmbedding as error:
        return "" if "on disk" in str(error) or "any more" in str(error) else str(error)
    return "" if len(rows.unique()) == 1 and rows.shape[0] == entry.vectors_per_token else str(entry)


def test_threads_that_refresh_list_and_load_while_files_change_see_only_whole_files(
    root: Path, library: Library, make: Make
) -> None:
    failures: list[str] = []
    done = threading.Event()

    def use() -> None:
        while not done.is_set():
            library.refresh()
            failures.extend(problem for entry in library.usable(SD1).values() if (problem := half_read(library, entry)))

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(60):
        rows = torch.full((1 + number % 5, 96), float(number))
        ending = ("safetensors", "pt")[number % 2]
        write_embedding(Embedding("cat", {"clip_l": rows}), root / f"cat{number % 3}.{ending}")
        if number % 7 == 0:
            (root / f"cat{number % 3}.{ending}").unlink()
    done.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_many_files_are_looked_through_again_quickly(root: Path, library: Library, make: Make) -> None:
    write_embedding(make(), root / "cat.safetensors")
    content = (root / "cat.safetensors").read_bytes()
    for number in range(1000):
        path = root / f"{number % 20}" / f"{number}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    settle()
    started = time.perf_counter()
    library.refresh()
    read = time.perf_counter()
    assert not library.refresh()
    assert time.perf_counter() - read < (read - started) / 3
    assert len(library.entries()) == 1001


def test_threads_that_ask_during_a_look_share_the_next_one(
    root: Path, library: Library, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    looking, go_on = threading.Event(), threading.Event()
    original = walk_module.Walker.walk

    def slow(walker: walk_module.Walker) -> walk_module.Walked:
        looks.append(len(looks))
        found = original(walker)
        looking.set()
        go_on.wait(10)
        return found

    monkeypatch.setattr(walk_module.Walker, "walk", slow)
    first = threading.Thread(target=library.refresh)
    first.start()
    looking.wait(10)
    # Not there when the first look went by: nobody who asks from now on may be told of that look.
    write_embedding(make(), root / "cat.pt")
    changed: list[bool] = []
    others = [threading.Thread(target=lambda: changed.append(library.refresh())) for _ in range(5)]
    for thread in others:
        thread.start()
    time.sleep(0.1)
    go_on.set()
    for thread in (first, *others):
        thread.join()
    assert words(library) == ["cat"]
    assert changed == [True] * 5
    assert len(looks) == 2


def test_the_library_keeps_little_metadata_and_reads_the_rest_on_demand(root: Path, library: Library) -> None:
    short = {"ti_studio.trigger": "cat", "ti_studio.checkpoint": "demo", "ti_studio.checkpoint_sha256": "a" * 64}
    metadata = {**short, "ti_studio.request": "{}", "modelspec.title": "x" * 1000, "other": "y"}
    write_embedding(Embedding("cat", {"clip_l": torch.ones(1, 96)}, 5, metadata), root / "cat.safetensors")
    settle()
    library.refresh()
    (entry,) = library.entries()
    assert entry.metadata == short
    assert metadata.items() <= library.metadata(entry).items()
    (root / "cat.safetensors").unlink()
    with pytest.raises(UnreadableEmbedding, match="can't be read any more"):
        library.metadata(entry)


def test_entries_for_several_checkpoints_are_kept_and_anew_after_a_change(
    root: Path, library: Library, make: Make
) -> None:
    write_embedding(make(), root / "cat.safetensors")
    library.refresh()
    for_sd1, for_sdxl = library.entries(SD1), library.entries({"clip_l": 96, "clip_g": 128})
    assert library.entries(SD1) is for_sd1
    assert [entry.state for entry in for_sdxl] == [EntryState.INCOMPATIBLE]
    write_embedding(make(), root / "dog.safetensors")
    library.refresh()
    assert len(library.entries(SD1)) == 2
