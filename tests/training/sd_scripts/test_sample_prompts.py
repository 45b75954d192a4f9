"""sd-scripts' files of sample prompts."""

from pathlib import Path

import pytest

from ti_studio.errors import NotFound
from ti_studio.training.sd_scripts.options import BadConfiguration
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


def test_json_and_toml_say_the_same_as_lines(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text(
        '[{"prompt": "a mychar", "negative_prompt": "blurry", "width": 512, "seed": 1, "sample_steps": 20}, "x --h 64"]'
    )
    (tmp_path / "prompts.toml").write_text(
        '[prompt]\nwidth = 512\nscale = 5.5\nsample_sampler = "euler"\n'
        '[[prompt.subset]]\nprompt = "a mychar"\n[[prompt.subset]]\nprompt = "x"\nwidth = 64\n'
    )

    assert read_sample_prompts(tmp_path / "prompts.json") == [
        SamplePrompt("a mychar", "blurry", width=512, seed=1, steps=20),
        SamplePrompt("x", height=64),
    ]
    assert read_sample_prompts(tmp_path / "prompts.toml") == [
        SamplePrompt("a mychar", width=512, scale=5.5, sampler="euler"),
        SamplePrompt("x", width=64, scale=5.5, sampler="euler"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", "is not JSON"),
        ("p.json", '{"prompt": "x"}', "holds a dict; expected a list"),
        ("p.json", "[3]", "found 3; expected a prompt"),
        ("p.json", '[{"prompt": "x", "hight": 3}]', "prompt 1: hight is unknown; expected prompt, negative_prompt"),
        ("p.json", '[{"width": 3}]', "prompt 1: prompt is None; expected a text"),
        ("p.toml", "[prompt]\n", r"has no \[\[prompt.subset\]\]"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(BadConfiguration, match=message):
        read_sample_prompts(tmp_path / name)


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
