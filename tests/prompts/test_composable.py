"""AND, and tags in prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_studio.prompts.composable import Weighted, split_and
from ti_studio.prompts.grammar import Emphasis, Named, Part, Span, read_emphasis
from ti_studio.prompts.tags import take_tags_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1)]),
        ("a screen, 16:9", [("a screen, 16:9", 1)]),
        ("a cat AND a dog", [("a cat ", 1), (" a dog", 1)]),
        ("a cat :1.5 AND a dog :-0.5", [("a cat", 1.5), (" a dog", -0.5)]),
        ("a:b:2 AND c", [("a:b", 2), (" c", 1)]),
        ("SAND ANDY and", [("SAND ANDY and", 1)]),
        ("AND", [("", 1), ("", 1)]),
        ("a:.5 AND b:2.", [("a", 0.5), (" b", 2)]),
        ("a\nb: 2 \nAND c", [("a\nb", 2), (" c", 1)]),
        ("5 AND c", [("5 ", 1), (" c", 1)]),
        ("a:1" + "0" * 400 + " AND c", [("a:1" + "0" * 400 + " ", 1), (" c", 1)]),
        ("a:10001 AND c:-10000", [("a:10001 ", 1), (" c", -10_000)]),
    ],
)
def test_and_joins_prompts_with_their_weights(text: str, expected: list[tuple[str, float]]) -> None:
    assert split_and(text) == tuple(Weighted(*part) for part in expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <embedding:my style:0.8> b", [Span("a "), Named("my style", 0.8), Span(" b")]),
        ("(a <embedding:x>:1.5)", [Span("a ", 1.5), Named("x", 1.5)]),
        ("a embedding:folder/x.pt, b", [Span("a "), Named("folder/x.pt"), Span(", b")]),
        ("(embedding:x:1.2)", [Named("x", 1.2)]),
        ("a <embed:folder/my style> b", [Span("a "), Named("folder/my style"), Span(" b")]),
        ("(<Embed:x>:1.2) <embed:y:0.5>", [Named("x", 1.2), Span(" "), Named("y", 0.5)]),
        ("a <embeds:x>b <embed: >c", [Span("a b c")]),
        ("<embedding:a (b) [c]>", [Named("a (b) [c]")]),
        ("<EMBEDDING: x : -1 >", [Named("x", -1)]),
        ("my embedding: x", [Span("my embedding: x")]),
        ("a <lora:x:1>b", [Span("a b")]),
        ("a < b > c", [Span("a < b > c")]),
        ("a <embedding: >b <embedding:x:y>c <embedding:x:1" + "0" * 400 + ">d", [Span("a b c d")]),
        ("<embedding:x:10001>(<embedding:x:2>:9000)", [Named("x", 18_000)]),
    ],
)
def test_embeddings_can_be_called_by_name(text: str, expected: list[Part]) -> None:
    tagged = take_tags_out(text)

    assert tagged.put_back(read_emphasis(tagged.text, Emphasis.ORIGINAL)) == expected


def test_tags_of_other_networks_are_left_out_and_told() -> None:
    assert take_tags_out("a <lora:x:1> <hypernet:y>").left_out == ("<lora:x:1>", "<hypernet:y>")


@given(st.text(alphabet="ab<>:embding \U000f0000\U000f0001", max_size=60))
def test_a_prompt_that_holds_private_characters_keeps_them(text: str) -> None:
    tagged = take_tags_out(text)

    assert not set(tagged.named) & set(text)


@pytest.mark.parametrize("piece", ["<a", "< ", "<embedding:", ": ", " ", ":", "embedding:a "])
def test_a_prompt_of_twenty_thousand_characters_is_no_burden(piece: str) -> None:
    """Some of these once took hours."""
    text = f"<embedding:{piece * (20_000 // len(piece))}:x> AND {piece * (20_000 // len(piece))}x"

    assert split_and(take_tags_out(text).text)


def test_more_embeddings_than_there_are_private_characters_are_left_out_and_told() -> None:
    tagged = take_tags_out("embedding:a " * 70_000)

    assert len(tagged.named) + len(tagged.left_out) == 70_000


def test_emphasis_can_be_ignored_or_literal() -> None:
    assert read_emphasis("a (b:1.5)c", Emphasis.IGNORE) == [Span("a "), Span("b"), Span("c")]  # not the word "bc"
    assert read_emphasis("a (b:1.5)", Emphasis.NONE) == [Span("a (b:1.5)")]
