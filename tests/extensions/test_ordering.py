"""Metadata, and the orders that it asks for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.extensions.conftest import Host
from ti_studio.extensions.metadata import BadMetadata, Order, read_metadata
from ti_studio.extensions.ordering import in_order, ordered_names, ordered_scripts

Write = Callable[[str, str], Path]


def scripts_of(host: Host) -> list[str]:
    loaded = host()
    return [f"{extension.name}/{path.name}" for extension, path in ordered_scripts(loaded.active, loaded.boundary)]


def test_metadata_is_read_as_a1111_writes_it(write: Write) -> None:
    path = write(
        "Wild/metadata.ini",
        "[Extension]\nName = Wild-Cards \nRequires = one, Two|three\n\n[scripts]\nAfter = 100%\n"
        "[scripts/Go.py]\nBefore = a b/c.py\n[callbacks/wild/go.py/ui_tabs]\nBefore = Other/x.py/ui_tabs\n",
    )

    metadata = read_metadata(path.parent)

    assert (metadata.name, metadata.requires) == ("wild-cards", ("one", "two|three"))
    assert metadata.order_of("go.py") == Order((), ("a", "b/c.py"), ("100%",))
    assert metadata.order_of("other.py") == Order((), (), ("100%",))
    assert metadata.callbacks["wild/go.py/ui_tabs"].before == ("Other/x.py/ui_tabs",)


def test_a_folder_without_metadata_is_called_as_it_is(write: Write) -> None:
    assert read_metadata(write("Plain/readme", "").parent).name == "plain"


def test_broken_metadata_is_refused_with_its_line(write: Write) -> None:
    with pytest.raises(BadMetadata, match=r"line: 1.*Expected sections such as \[Extension\]"):
        read_metadata(write("a/metadata.ini", "nothing").parent)


def test_scripts_are_loaded_by_folder_and_name(write: Write, host: Host) -> None:
    for place in ("b/scripts/z.py", "b/scripts/Y.py", "a/scripts/b.py", "a/scripts/notes.txt", ".hidden/scripts/a.py"):
        write(place, "")

    assert scripts_of(host) == ["a/b.py", "b/Y.py", "b/z.py"]


def test_a_script_goes_before_and_after_those_that_it_names(write: Write, host: Host) -> None:
    for place in ("a/scripts/1.py", "a/scripts/2.py", "b/scripts/1.py", "c/scripts/1.py"):
        write(place, "")
    write("a/metadata.ini", "[scripts/1.py]\nAfter = c\n")
    write("b/metadata.ini", "[scripts]\nBefore = a/2.py, unknown\n")

    assert scripts_of(host) == ["c/1.py", "a/1.py", "b/1.py", "a/2.py"]


def test_circles_lose_no_script() -> None:
    assert sorted(in_order({"a": ["b"], "b": ["a", "nowhere"], "c": []})) == ["a", "b", "c"]


def test_callbacks_go_by_rules_and_the_persons_choice_goes_before_them() -> None:
    rules = {"a": Order(after=("c",)), "d": Order(before=("b", "gone"))}

    assert ordered_names(["a", "b", "c", "d"], rules) == ["c", "a", "d", "b"]
    assert ordered_names(["a", "b", "c", "d"], rules, first=["b", "gone"]) == ["b", "c", "a", "d"]


def test_what_is_required_and_not_there_is_named(write: Write, host: Host) -> None:
    write("a/metadata.ini", "[Extension]\nRequires = b, c|d, e\n[scripts/x.py]\nRequires = f b/x.py\n")
    for place in ("a/scripts/x.py", "b/scripts/x.py", "d/scripts/x.py", "e/scripts/x.py"):
        write(place, "")
    write("../config.json", '{"disabled_extensions": ["e"]}')
    loaded = host()

    ordered_scripts(loaded.active, loaded.boundary)

    assert loaded.boundary.problems("a") == [
        "It requires the extension 'e', which is disabled.",
        "scripts/x.py requires 'f', which is not loaded.",
    ]
    assert loaded.boundary.failed == ["a"]


def test_what_is_wrong_with_a_disabled_one_is_no_failure(write: Write, host: Host) -> None:
    write("a/metadata.ini", "nothing")
    write("../config.json", '{"disabled_extensions": ["a"]}')
    loaded = host()

    assert loaded.boundary.failed == []
    assert "metadata.ini can't be read" in loaded.boundary.remarks("a")[0]


def test_of_two_with_one_name_the_first_is_loaded(write: Write, host: Host) -> None:
    write("a/metadata.ini", "[Extension]\nName = same\n")
    write("b/metadata.ini", "[Extension]\nName = Same\n")
    loaded = host()

    assert [extension.name for extension in loaded.active] == ["a"]
    assert loaded.boundary.problems("b") == ["Its name 'same' is that of a too; only the first of them is loaded."]
