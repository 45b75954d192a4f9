"""Files of text that somebody else has written."""

import os
import sys
from pathlib import Path

import pytest

from ti_studio.text_files import UnreadableText, read_text_file
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.captions import MOST_CHARACTERS, BadCaption, BadTemplate, PromptTemplate, read_caption


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffa ball", encoding="utf-8")

    assert read_text_file(tmp_path / "a.txt", 100) == "a ball"


def test_no_more_is_read_than_is_expected(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("x" * 101)

    with pytest.raises(UnreadableText, match=r"long\.txt has 101 bytes; expected a file of text of at most 100"):
        read_text_file(tmp_path / "long.txt", 100)


def test_folders_and_binary_files_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"secret \xff\xfe")

    with pytest.raises(UnreadableText, match="is not UTF-8 text, from byte 7 on"):
        read_text_file(tmp_path / "binary", 100)
    with pytest.raises(UnreadableText):
        read_text_file(tmp_path, 100)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(UnreadableText, match="is no ordinary file"):
            read_text_file(path, 100)


def test_a_caption_and_a_line_of_a_template_have_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * (MOST_CHARACTERS + 1))
    (tmp_path / "b.txt").write_text("x" * 1_000_000)
    (tmp_path / "template.txt").write_text("[name]" + "x" * MOST_CHARACTERS)
    options = DatasetFolder(directory=str(tmp_path))

    with pytest.raises(BadCaption, match="has a caption of 10,001 characters; expected 10,000 at most"):
        read_caption(tmp_path / "a.png", options)
    with pytest.raises(BadCaption, match="has 1,000,000 bytes"):
        read_caption(tmp_path / "b.png", options)
    with pytest.raises(BadTemplate, match="line 1 has 10,006 characters"):
        PromptTemplate.read(tmp_path / "template.txt")
