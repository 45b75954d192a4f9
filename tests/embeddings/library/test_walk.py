import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ti_studio.embeddings.library.walk import Walker, walk


def touched(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_embeddings_are_found_in_all_folders_by_any_spelling_of_their_endings(tmp_path: Path) -> None:
    touched(tmp_path, "a.pt", "b.SafeTensors", "deep/er/c.BIN", "folder.pt/d.pt", "e.ckpt", "cat.jpg", "cat.pt.optim")
    assert walk(str(tmp_path)).files.keys() == {"a.pt", "b.SafeTensors", "deep/er/c.BIN", "folder.pt/d.pt", "e.ckpt"}


def test_hidden_files_and_folders_and_half_written_files_are_left_out(tmp_path: Path) -> None:
    touched(tmp_path, ".hidden.pt", ".tmp-abc.pt", ".folder/a.pt", "a.pt")
    assert walk(str(tmp_path)).files.keys() == {"a.pt"}


def test_links_are_followed_and_a_loop_of_links_ends(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    touched(outside, "linked.pt")
    touched(root, "own/a.pt")
    (root / "0-loop").symlink_to(root)
    (root / "own" / "up").symlink_to(root)
    (root / "0-own").symlink_to(root / "own")
    (root / "others").symlink_to(outside)
    (root / "file.pt").symlink_to(outside / "linked.pt")
    assert walk(str(root)).files.keys() == {"own/a.pt", "others/linked.pt", "file.pt"}


def test_broken_links_and_what_is_no_file_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself.pt").symlink_to(tmp_path / "itself.pt")
    (tmp_path / "folder").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.pt")
    walked = walk(str(tmp_path))
    assert not walked.files
    assert not walked.problems


def test_a_folder_that_is_missing_is_a_problem_and_no_error(tmp_path: Path) -> None:
    walked = walk(str(tmp_path / "nowhere"))
    assert not walked.files
    assert walked.problems == {"": "No such file or directory"}


@pytest.mark.parametrize(
    ("pictures", "preview"),
    [
        (["cat.preview.png", "dog.png"], "cat.preview.png"),
        (["cat.preview.png", "Cat.JPG"], "Cat.JPG"),
        (["dog.png"], None),
    ],
)
def test_the_preview_beside_an_embedding_is_found_with_it(
    tmp_path: Path, pictures: list[str], preview: str | None
) -> None:
    touched(tmp_path, "sub/cat.pt", *(f"sub/{name}" for name in pictures))
    assert walk(str(tmp_path)).files["sub/cat.pt"].preview == preview


def test_pictures_that_belong_to_no_embedding_may_hold_one(tmp_path: Path) -> None:
    touched(tmp_path, "cat.pt", "cat.png", "CAT.webp", "cat.preview.png", "dog.preview.png", "dog.jpg")
    touched(tmp_path, "card.png", "sub/cat.avif", "sub/cat.JXL")
    assert walk(str(tmp_path)).files.keys() == {"cat.pt", "card.png", "sub/cat.avif", "sub/cat.JXL"}


def test_walking_again_gives_the_same_objects_for_what_is_as_it_was(tmp_path: Path) -> None:
    touched(tmp_path, "a.pt", "sub/b.pt", "sub/c.pt")
    walker = Walker(str(tmp_path))
    first = walker.walk()
    (tmp_path / "sub" / "c.pt").write_bytes(b"xy")
    again = walker.walk()
    assert again.files["a.pt"] is first.files["a.pt"]
    assert again.files["sub/b.pt"] is first.files["sub/b.pt"]
    assert again.files["sub/c.pt"] != first.files["sub/c.pt"]


def test_a_drive_that_keeps_no_times_of_folders_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = os.stat

    def without_times(path: str, **options: bool) -> os.stat_result:
        about = asked(path, **options)
        if stat.S_ISDIR(about.st_mode):
            known = {"st_mode": about.st_mode, "st_dev": 1, "st_ino": about.st_ino, "st_mtime_ns": 0, "st_ctime_ns": 0}
            return cast(os.stat_result, SimpleNamespace(**known))
        return about

    monkeypatch.setattr(os, "stat", without_times)
    touched(tmp_path, "sub/a.pt", "sub/b.pt")
    walker = Walker(str(tmp_path))
    assert walker.walk().files.keys() == {"sub/a.pt", "sub/b.pt"}
    touched(tmp_path, "sub/c.pt", "new/d.pt")
    (tmp_path / "sub" / "a.pt").rename(tmp_path / "sub" / "A.pt")
    (tmp_path / "sub" / "b.pt").unlink()
    assert walker.walk().files.keys() == {"sub/A.pt", "sub/c.pt", "new/d.pt"}


def test_walking_again_sees_all_that_a_fresh_walk_sees(tmp_path: Path) -> None:
    touched(tmp_path, "a.pt", "sub/b.pt", "sub/deeper/c.pt", "other/d.pt", "x")
    (tmp_path / "link").symlink_to(tmp_path / "later")
    walker = Walker(str(tmp_path))

    def agree() -> None:
        assert walker.walk() == walk(str(tmp_path))

    def times_kept(folder: Path, change: Callable[[], object]) -> None:
        about = folder.stat()
        change()
        os.utime(folder, ns=(about.st_atime_ns, about.st_mtime_ns))
        agree()

    agree()
    times_kept(tmp_path / "sub", lambda: touched(tmp_path, "sub/new.pt"))
    times_kept(tmp_path / "sub", lambda: (tmp_path / "sub" / "new.pt").rename(tmp_path / "sub" / "New.pt"))
    times_kept(tmp_path / "sub", (tmp_path / "sub" / "b.png").touch)
    times_kept(tmp_path / "sub", (tmp_path / "sub" / "New.pt").unlink)
    times_kept(tmp_path, lambda: shutil.rmtree(tmp_path / "other"))
    times_kept(tmp_path, lambda: ((tmp_path / "x").unlink(), touched(tmp_path, "x/y.pt")))
    touched(tmp_path, "later/e.pt")
    agree()
    assert "later/e.pt" in walker.walk().files
    (tmp_path / "later").rename(tmp_path / ".hidden")
    agree()
    (tmp_path / ".hidden").rename(tmp_path.parent / f"{tmp_path.name}-outside")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path.parent / f"{tmp_path.name}-outside")
    agree()
    assert "link/e.pt" in walker.walk().files
