"""Words of a library as prompts look them up, whatever comes and goes."""

from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from ti_studio.embeddings.library.entries import Entry, EntryState, named_as
from ti_studio.generation.words import EmbeddingIndex
from ti_studio.prompts.chunks import Word, WordIndex

NAMES = st.text("ab ", min_size=1, max_size=4)


def spell(names: object) -> list[list[int]]:
    """Spells a name by its letters; blanks are not spelled, so that some names are spelled alike."""
    return [[ord(letter) for letter in name if letter != " "] for name in cast(list[str], names)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, st.integers(0, 80), max_size=12), min_size=1, max_size=5), st.text("ab", max_size=9)
)
def test_an_index_that_was_changed_finds_what_a_new_one_finds(versions: list[dict[str, int]], text: str) -> None:
    index = WordIndex()
    ids = [ord(letter) for letter in text]
    for vectors in versions:
        index = index.changed_to(vectors, spell)
        fresh = WordIndex(
            Word(name, tuple(ids), vectors[name]) for name, ids in zip(vectors, spell(vectors), strict=True)
        )
        for position in range(len(ids)):
            assert index.match(ids, position) == fresh.match(ids, position)


def test_the_longest_spelling_is_found_first() -> None:
    index = WordIndex([Word("a", (1,), 1), Word("abc", (1, 2, 3), 1), Word("ab", (1, 2), 1)])
    found = [index.match(ids, 0) for ids in ([1, 2, 3, 4], [1, 2, 4], [1, 4], [1, 2], [4])]
    assert [word and word.name for word in found] == ["abc", "ab", "a", "ab", None]


PATHS = st.lists(
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["", "x/", "X/y/"]),
            st.text("aB.ß ", min_size=1, max_size=4),
            st.sampled_from([".pt", ".BIN"]),
        ),
    ),
    max_size=8,
    unique=True,
)


@settings(max_examples=300, deadline=None)
@given(PATHS, st.text("aAbB.ß xy/\\pt", max_size=8))
def test_a_name_finds_the_same_file_among_the_likely_ones_as_among_all(paths: list[str], text: str) -> None:
    entries = tuple(
        Entry(Path(path).stem, Path("/library") / path, path, path.rpartition("/")[0], EntryState.USABLE)
        for path in sorted(paths)
    )
    known = EmbeddingIndex(entries, {}, {}, WordIndex(), WordIndex())
    for name in (text, *(entry.relative for entry in entries), *(entry.word.upper() for entry in entries)):
        assert known.named(name) is named_as(entries, name)
