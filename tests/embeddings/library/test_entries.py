from collections.abc import Mapping
from pathlib import Path

import pytest

from ti_studio.embeddings.embedding import family_of
from ti_studio.embeddings.library.entries import CheckpointFit, Entry, EntryState, misfit, with_winners

SD1 = {"clip_l": 768}
SD2 = {"clip_h": 1024}
SDXL = {"clip_l": 768, "clip_g": 1280}


def entry(relative: str, widths: Mapping[str, int], state: EntryState = EntryState.USABLE) -> Entry:
    path = Path("/library") / relative
    folder = path.parent.relative_to("/library").as_posix().replace(".", "")
    return Entry(path.stem, path, relative, folder, state, widths=widths, family=family_of(widths))


@pytest.mark.parametrize(
    ("made_for", "checkpoint", "family", "reason"),
    [
        (SD1, SD1, None, None),
        (SDXL, SD1, None, "made for SDXL; the checkpoint is SD 1"),
        (SD1, SDXL, None, "made for SD 1; the checkpoint is SDXL"),
        (SD2, SD1, None, "made for SD 2; the checkpoint is SD 1"),
        (SD1, SDXL, "SDXL Turbo", "made for SD 1; the checkpoint is SDXL Turbo"),
        (SD1, {"clip_l": 96}, None, "its vectors are 768 wide; the checkpoint needs 96"),
        (SDXL, {"clip_l": 32, "clip_g": 64}, None, "its vectors are 768, 1280 wide; the checkpoint needs 32, 64"),
        ({"clip_g": 1280}, SDXL, None, "made for clip_g alone; the checkpoint is SDXL"),
    ],
)
def test_the_reason_says_what_an_embedding_was_made_for_and_what_the_checkpoint_is(
    made_for: dict[str, int], checkpoint: dict[str, int], family: str | None, reason: str | None
) -> None:
    assert misfit(entry("cat.pt", made_for), checkpoint, family) == reason


def test_of_two_files_with_one_word_the_first_by_path_wins_whatever_the_case() -> None:
    judged = CheckpointFit(SD1).judge([entry("a/Cat.pt", SD1), entry("b/cat.pt", SD1), entry("dog.pt", SD1)])
    assert [(found.relative, found.conflict) for found in judged] == [
        ("a/Cat.pt", None),
        ("b/cat.pt", "a/Cat.pt"),
        ("dog.pt", None),
    ]


def test_a_file_that_cannot_be_used_takes_no_word_from_one_that_can() -> None:
    entries = [entry("a/cat.pt", {}, EntryState.UNREADABLE), entry("b/cat.pt", SDXL), entry("c/cat.pt", SD1)]
    assert [found.conflict for found in CheckpointFit(SD1).judge(entries)] == ["c/cat.pt", "c/cat.pt", None]
    assert [found.conflict for found in CheckpointFit(SDXL).judge(entries)] == ["b/cat.pt", None, "b/cat.pt"]
    assert [found.conflict for found in CheckpointFit(SD2).judge(entries)] == [None, "a/cat.pt", "a/cat.pt"]


def test_without_a_checkpoint_nothing_is_incompatible_and_an_unreadable_file_stays_so() -> None:
    entries = [entry("broken.pt", {}, EntryState.UNREADABLE), entry("cat.pt", SD1)]
    assert [found.state for found in with_winners(entries)] == [EntryState.UNREADABLE, EntryState.USABLE]
    assert [found.state for found in CheckpointFit(SD2).judge(entries)] == [
        EntryState.UNREADABLE,
        EntryState.INCOMPATIBLE,
    ]


def test_what_was_said_of_an_entry_is_kept_until_it_changes() -> None:
    fitting = CheckpointFit(SD1)
    first = [entry("a.pt", SDXL), entry("b.pt", SD2), entry("c.pt", SD1)]
    said = fitting.judge(first)
    assert [found.state for found in said] == [EntryState.INCOMPATIBLE, EntryState.INCOMPATIBLE, EntryState.USABLE]
    changed = [first[0], entry("b.pt", SD1), first[2]]
    again = fitting.judge(changed)
    assert again[0] is said[0]
    assert [found.state for found in again] == [EntryState.INCOMPATIBLE, EntryState.USABLE, EntryState.USABLE]
    assert fitting.judge(first) == said
