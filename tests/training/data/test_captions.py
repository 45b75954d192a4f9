"""Captions and templates."""

from pathlib import Path

import pytest

from ti_studio.errors import NotFound
from ti_studio.folders import OutsideFolder
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.captions import (
    BadCaption,
    BadTemplate,
    PromptTemplate,
    find_template,
    list_templates,
)
from ti_studio.training.data.captions import read_caption as read_caption_with


def read_caption(picture: Path, **options: object) -> str:
    return read_caption_with(picture, DatasetFolder(directory="pictures", **options))  # type: ignore[arg-type]


def template(tmp_path: Path, text: str) -> PromptTemplate:
    path = tmp_path / "template.txt"
    path.write_text(text, encoding="utf-8")
    return PromptTemplate.read(path)


def test_the_text_beside_a_picture_is_its_caption(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffred ball,\n on the beach \n", encoding="utf-8")

    assert read_caption(tmp_path / "a.png") == "red ball, on the beach"


def test_the_caption_may_have_another_ending_and_several_lines_where_one_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.caption").write_text("a ball\n\n a red  ball\n")

    assert read_caption(tmp_path / "a.png", caption_extension=".caption") == "a ball a red ball"
    assert read_caption(tmp_path / "a.png", caption_extension=".caption", enable_wildcard=True) == "a ball\na red ball"


def test_class_tokens_are_the_caption_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_caption(tmp_path / "a.png", class_tokens="zzzz dog") == "zzzz dog"


@pytest.mark.parametrize(
    ("name", "caption"),
    [("01-a red ball.png", "a red ball"), ("a-1.png", "a-1"), ("2023-05 cat.png", "cat"), ("7.png", "")],
)
def test_without_one_the_file_name_is_the_caption_less_its_number(tmp_path: Path, name: str, caption: str) -> None:
    assert read_caption(tmp_path / name) == caption


def test_a_caption_that_is_no_text_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ok \xff")

    with pytest.raises(BadCaption, match=r"a\.txt is not UTF-8 text, from byte 3 on"):
        read_caption(tmp_path / "a.png")


def test_a_template_line_becomes_a_prompt(tmp_path: Path) -> None:
    lines = template(tmp_path, "a photo of [name], [filewords]\n\n[name]\n")

    assert lines.prompts("zigtri", "on the beach") == ("a photo of zigtri, on the beach", "zigtri")


def test_an_empty_caption_leaves_no_comma_behind(tmp_path: Path) -> None:
    assert template(tmp_path, "a photo of [name], [filewords]").prompts("zigtri", "") == ("a photo of zigtri",)


def test_a_caption_may_hold_the_word_itself(tmp_path: Path) -> None:
    assert template(tmp_path, "[name]: [filewords]").prompts("zigtri", "a red [name]") == ("zigtri: a red zigtri",)


def test_a_line_without_the_word_is_refused_with_its_number(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate, match=r"template\.txt, line 3 lacks \[name\]"):
        template(tmp_path, "[name]\n\na photo\n")


def test_a_template_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate, match="has no prompt in it"):
        template(tmp_path, "\n \n")


def test_a_users_template_goes_before_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "subject.txt").write_text("my [name]")

    assert find_template(tmp_path, "subject.txt") == tmp_path / "subject.txt"
    assert find_template(tmp_path, "style.txt").parent.name == "textual_inversion_templates"


def test_a_template_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no prompt template 'x\.txt'.*subject_filewords\.txt"):
        find_template(tmp_path, "x.txt")


def test_the_original_implementations_prompts_are_all_there(root: Path) -> None:
    """The 27 for things and 19 for styles of rinongal/textual_inversion, which sd-scripts has too."""
    templates = root / "textual_inversion_templates"
    lines = {name: PromptTemplate.read(templates / f"imagenet_{name}.txt").lines for name in ("object", "style")}

    assert {name: len(found) for name, found in lines.items()} == {"object": 27, "style": 19}
    assert "a photo of a [name]" in lines["object"]
    assert "a painting in the style of [name]" in lines["style"]


def test_every_shipped_template_teaches_the_word_in_every_line(tmp_path: Path) -> None:
    assert {"subject.txt", "subject_filewords.txt", "style.txt", "style_filewords.txt"} <= set(list_templates(tmp_path))
    for name in list_templates(tmp_path):
        assert PromptTemplate.read(find_template(tmp_path, name)).lines


def test_a_link_out_of_the_templates_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("[name]")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "link.txt").symlink_to(secret)

    with pytest.raises(OutsideFolder):
        find_template(tmp_path / "templates", "link.txt")
