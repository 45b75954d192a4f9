"""sd-scripts' files of sample prompts."""

from pathlib import Path

import pytest

from ti_studio.errors import NotFound
from ti_studio.training.sd_scripts.errors import BadConfiguration
from ti_studio.training.sd_scripts.sample_prompts import SamplePrompt, read_sample_prompts


def test_prompts_are_read_with_their_options(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(
        "# a comment\n\n"
        "a mychar, best --n bad hands, blurry --w 515 --h 768 --d 42 --l 5.5 --s 20 --ss euler_a\n"
        "mychar\n"
    )

    assert read_sample_prompts(path) == [
        SamplePrompt("a mychar, best", "bad hands, blurry", 512, 768, 42, 20, 5.5, "euler_a"),
        SamplePrompt("mychar"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("x\na --q 3", "line 2: --q 3 is unknown"), ("a --w wide", "line 1: invalid literal"), ("a --cn x.png", "--cn")],
)
def test_a_bad_option_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prompts.txt").write_text(text)

    with pytest.raises(BadConfiguration, match=message):
        read_sample_prompts(tmp_path / "prompts.txt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file of sample prompts .*x\.txt"):
        read_sample_prompts(tmp_path / "x.txt")
