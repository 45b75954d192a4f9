"""Settings: what extensions declare, and the file."""

import json
from pathlib import Path

import pytest

from ti_studio.extensions.boundary import Boundary, Owner
from ti_studio.extensions.options import OptionInfo, Options, WrongSetting, options_section
from ti_studio.extensions.settings_file import SettingsNotSaved, read_settings
from ti_studio.folders import WriteFailed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


@pytest.fixture
def options(path: Path) -> Options:
    made = Options(path, Boundary())
    made.add_option("width", OptionInfo(4, "Width"))
    made.add_option("colour", OptionInfo("red", "Colour"))
    return made


def test_an_option_has_its_default_until_it_is_set(options: Options) -> None:
    assert (options.width, options.get_default("width"), options.get_default("nowhere")) == (4, 4, None)
    options.width = 8
    assert (options.width, options.data["width"], options.get_default("width")) == (8, 8, 4)
    with pytest.raises(AttributeError, match="no setting 'nowhere'"):
        _ = options.nowhere


def test_comments_are_added_as_in_a1111() -> None:
    info = OptionInfo(1, "x").info("px").needs_reload_ui().html("<b>!</b>").link("more", 'https://a/"b"')

    assert info.comment_after == "<span class='info'>(px)</span> <span class='info'>(requires restart)</span><b>!</b>"
    assert info.comment_before == '[<a href="https://a/&quot;b&quot;" target="_blank">more</a>]'


def test_the_arguments_of_an_option_stand_in_a1111s_order() -> None:
    info = OptionInfo(1, "label", "component", {"a": 1}, "onchange", ("id", "title"), "refresh", "before", "after")  # type: ignore[arg-type]

    assert (info.default, info.component_args, info.section) == (1, {"a": 1}, ("id", "title"))
    assert (info.refresh, info.comment_before, info.comment_after) == ("refresh", "before", "after")


def test_a_section_is_given_to_many_options_at_once() -> None:
    made = options_section(("id", "Title", "category"), {"a": OptionInfo(1), "b": OptionInfo(2)})

    assert {(info.section, info.category_id) for info in made.values()} == {(("id", "Title"), "category")}


def test_values_survive_with_those_that_nobody_declares(path: Path) -> None:
    path.write_text('{"of_another": {"x": [1]}, "width": 12}')
    options = Options(path, Boundary())
    options.add_option("width", OptionInfo(4))

    assert options.apply({"width": 16}) == ["width"]

    again = Options(path, Boundary())
    assert again.data["of_another"] == {"x": [1]}
    assert again.width == 16
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", ["{broken", "[1, 2]", "\udcff", "[" * 100_000])
def test_a_broken_file_is_told_and_kept_aside(path: Path, content: str) -> None:
    for number in (1, 2):
        path.write_bytes(content.encode("utf-8", "surrogateescape"))

        options = Options(path, Boundary())

        assert "config.json were broken" in options.trouble
        assert f"kept as config.json.broken-{number}" in options.trouble
        assert not path.exists()
    assert read_settings(path) == ({}, "")


def test_a_value_of_another_kind_changes_nothing(options: Options, path: Path) -> None:
    with pytest.raises(WrongSetting, match="Width: found 'wide', expected int"):
        options.apply({"colour": "blue", "width": "wide"})

    assert (options.width, options.colour, path.exists()) == (4, "red", False)


def test_a_value_that_json_has_not_is_named_and_nothing_is_written(options: Options, path: Path) -> None:
    options.data["colour"] = {1, 2}

    with pytest.raises(SettingsNotSaved, match="'colour' can't be saved"):
        options.save()

    assert not path.exists()


def test_what_can_not_be_written_is_not_taken_either(options: Options, path: Path) -> None:
    path.mkdir()  # a file can't replace it

    with pytest.raises(WriteFailed):
        options.apply({"width": 8})

    assert options.width == 4


def test_onchange_is_called_with_the_new_value_there(options: Options) -> None:
    seen = []
    options.onchange("width", lambda: seen.append(options.width), call=False)

    assert options.apply({"width": 8, "colour": "red"}) == ["width"]
    assert options.set("width", 8) is False
    assert options.set("width", 9) is True
    assert seen == [8, 9]


def test_a_failing_onchange_keeps_the_old_value_in_memory_and_in_the_file(path: Path) -> None:
    boundary = Boundary()
    options = Options(path, boundary)
    info = OptionInfo(4, "Width", onchange=lambda: 1 / 0)
    boundary.attempt(Owner("mine", path.parent), "add", lambda: options.add_option("width", info), None)

    with pytest.raises(WrongSetting, match="failed on the new value of width"):
        options.apply({"width": 8})

    assert options.width == 4
    assert json.loads(path.read_text())["width"] == 4
    assert boundary.problems("mine") == [
        "What the setting 'width' calls when it changes failed: ZeroDivisionError: division by zero"
    ]


def test_numbers_may_stand_for_each_other_and_none_for_anything() -> None:
    assert Options.same_type(1.5, 1)
    assert Options.same_type(None, "x")
    assert not Options.same_type(True, 1)
    assert not Options.same_type("1", 1)
