import pytest

from ti_studio.embeddings.names import BadName, check_name, displayed, unseen_character


@pytest.mark.parametrize("name", ["cat", "my cat", "cat-v1.5_b", "猫", "Ürümqi", "saber (fate)", "a" * 100, "console"])
def test_ordinary_names_are_accepted(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a/b", "has / in it"),
        ("..\\b", r"has \\ in it"),
        ("..", "begins or ends with a dot or a space"),
        (".hidden", "begins or ends with a dot"),
        ("cat ", "begins or ends with a dot or a space"),
        ("a:b", "has : in it"),
        ('<b>"x"|?*', r'has " \* < > \? \| in it'),
        ("a\x00b", r"has U\+0000 in it"),
        ("a\nb", r"has U\+000A in it"),
        ("gnp\u202egpj", r"has U\+202E RIGHT-TO-LEFT OVERRIDE in it"),
        ("a\u200bb", r"has U\+200B ZERO WIDTH SPACE in it"),
        ("a\udcffb", r"has U\+DCFF in it"),
        ("CON", "is a device on Windows"),
        ("nul.txt", "is a device on Windows"),
        ("com1", "is a device on Windows"),
        ("a" * 101, "has 101 characters"),
        ("猫" * 80, r"80 characters \(240 bytes\); expected at most 100 \(200 bytes\)"),
    ],
)
def test_names_that_no_file_can_have_everywhere_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(BadName, match=reason):
        check_name(name)


def test_what_cannot_be_seen_is_named_and_shown_as_a_replacement_character() -> None:
    assert unseen_character("plain ü 猫") is None
    assert unseen_character("a\u202eb") == "U+202E RIGHT-TO-LEFT OVERRIDE"
    assert displayed("a\u202eb\udcff") == "a\ufffdb\ufffd"
    assert displayed("猫 <b>") == "猫 <b>"
