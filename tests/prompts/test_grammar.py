"""A1111's emphasis and BREAK."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_studio.prompts.grammar import MOST_NESTED, MOST_WEIGHT, Break, Part, Span, literal, parse_attention


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [Span("")]),
        ("a cat", [Span("a cat")]),
        ("a (cat)", [Span("a "), Span("cat", 1.1)]),
        ("a [cat]", [Span("a "), Span("cat", 1 / 1.1)]),
        ("(a:1.3) b", [Span("a", 1.3), Span(" b")]),
        ("(a : 1.3 ) b", [Span("a ", 1.3), Span(" b")]),
        ("(a:-0.5)", [Span("a", -0.5)]),
        ("((a:1.5) b)", [Span("a", 1.5 * 1.1), Span(" b", 1.1)]),
        (r"\(a\) \[b\] \\", [Span(r"(a) [b] " + "\\")]),
        ("a (b", [Span("a "), Span("b", 1.1)]),
        ("a) b]", [Span("a) b]")]),
        ("(x:.5.)", [Span("x:.5.", 1.1)]),
        ("a:b, 3:4", [Span("a:b, 3:4")]),
        ("a BREAK b", [Span("a"), Break(), Span("b")]),
        ("(a BREAK b:1.2)", [Span("a", 1.2), Span("BREAK", -1.2), Span("b", 1.2)]),
        ("[a BREAK b", [Span("a", 1 / 1.1), Span("BREAK", -1 / 1.1), Span("b", 1 / 1.1)]),
        ("(a) BREAK (b)", [Span("a", 1.1), Break(), Span("b", 1.1)]),
        ("BREAKFAST", [Span("BREAKFAST")]),
        ("a BREAK BREAK b", [Span("a"), Break(), Break(), Span("b")]),
        ("a:BREAK:b", [Span("a:"), Break(), Span(":b")]),
        ("a()[]b", [Span("ab")]),
        ("(x:1" + "0" * 400 + ")", [Span("x:1" + "0" * 400, 1.1)]),
        ("(x:1" + "0" * 40 + ")", [Span("x:1" + "0" * 40, 1.1)]),
        ("(x:1e999)", [Span("x:1e999", 1.1)]),
        ("(x:10000) (y:10000.5)", [Span("x", 10_000), Span(" "), Span("y:10000.5", 1.1)]),
        ("(((x:9000):9000) y:-9000)", [Span("x", -10_000), Span(" y", -9000)]),
        ("(a)(b)", [Span("ab", 1.1)]),
        (r"a(\:2)b", [Span("a"), Span("b")]),
        ("[(a", [Span("a", 1.1 * (1 / 1.1))]),
    ],
)
def test_a_prompt_is_read_as_a1111_reads_it(text: str, expected: list[Part]) -> None:
    assert parse_attention(text) == expected


def test_brackets_that_nobody_would_nest_so_deep_are_literal() -> None:
    deep = parse_attention("(" * (MOST_NESTED + 1) + "a" + ")" * (MOST_NESTED + 1))

    assert "".join(part.text for part in deep if isinstance(part, Span)) == "(a)"
    assert all(isinstance(part, Span) and part.weight <= MOST_WEIGHT for part in deep)


@pytest.mark.parametrize("piece", ["(a", "(a:2", "[(", "a)", " ", ": ", ":1", "(a:1.2) BREAK ", "\\"])
def test_a_prompt_of_twenty_thousand_characters_is_no_burden(piece: str) -> None:
    """Each of these once took minutes or hours."""
    text = piece * (10_000 // len(piece))

    assert parse_attention(text + "x" + text)


def test_a_caption_is_literal() -> None:
    assert literal("saber (fate), [x] BREAK") == [Span("saber (fate), [x] BREAK")]


@given(st.text(alphabet="ab (:)[]\\.,19+-\nBREAK", max_size=40))
def test_every_text_has_a_reading_with_finite_weights(text: str) -> None:
    parts = parse_attention(text)

    assert parts
    assert all(isinstance(part, Break) or abs(part.weight) <= MOST_WEIGHT for part in parts)


@given(st.text(alphabet="abc, 12é-_", max_size=40))
def test_a_text_without_syntax_is_one_span_of_itself(text: str) -> None:
    assert parse_attention(text) == [Span(text)]


Tree = list["str | tuple[str, float, Tree]"]
"""Text, and brackets around more of the same: how each is written, what it multiplies by, and what is in it."""


def trees() -> st.SearchStrategy[Tree]:
    texts = st.text(alphabet="ab ,:.()[]\\-1é", min_size=1, max_size=6).filter(lambda text: "BREAK" not in text)
    weights = st.sampled_from([0.5, 1.3, 2.0, -1.0, 0.0])

    def bracketed(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        brackets = st.one_of(
            st.builds(lambda tree: ("()", 1.1, tree), inner),
            st.builds(lambda tree: ("[]", 1 / 1.1, tree), inner),
            st.builds(lambda weight, tree: (f"(:{weight})", weight, tree), weights, inner),
        )
        return st.lists(texts | brackets, max_size=4)

    return st.recursive(st.lists(texts, max_size=2), bracketed, max_leaves=12)


def written(tree: Tree) -> str:
    """The tree as a prompt, every bracket in its texts escaped; a colon is followed by what can't be a weight."""
    pieces = []
    for node in tree:
        if isinstance(node, str):
            pieces.append("".join(f"\\{sign}" if sign in "()[]\\" else sign for sign in node.replace(":", ": x")))
        else:
            brackets, _, inner = node
            pieces.append(f"{brackets[0]}{written(inner)}{brackets[1:]}")
    return "".join(pieces)


def weighed(tree: Tree) -> list[tuple[str, float]]:
    """Each sign of the tree's text with its weight."""
    signs: list[tuple[str, float]] = []
    for node in tree:
        if isinstance(node, str):
            signs += [(sign, 1.0) for sign in node.replace(":", ": x")]
        else:
            signs += [(sign, weight * node[1]) for sign, weight in weighed(node[2])]
    return signs


@given(trees())
def test_brackets_in_brackets_multiply_and_no_sign_of_the_text_is_lost(tree: Tree) -> None:
    parts = [part for part in parse_attention(written(tree)) if isinstance(part, Span)]

    assert [(sign, part.weight) for part in parts for sign in part.text] == weighed(tree)
    assert all(one.weight != other.weight for one, other in pairwise(parts))
