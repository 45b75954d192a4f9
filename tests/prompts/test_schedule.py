"""A1111's prompt editing and alternation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_studio.prompts.schedule import edited

STEPS = 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [b::3] c", [(3, "a b c"), (10, "a  c")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [b:0.75] c", [(7, "a  c"), (10, "a b c")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:10]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:x]", [(10, "[a:b:x]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        (r"[a\::b:3]", [(3, r"a\:"), (10, "b")]),
        ("a | [b:c:4]", [(10, "a | [b:c:4]")]),
        ("(a|b) [b:c:4]", [(10, "(a|b) [b:c:4]")]),
        ("[a|b [b:c:4]", [(10, "[a|b [b:c:4]")]),
        (r"a \| [b:c:4]", [(4, r"a \| b"), (10, r"a \| c")]),
        ("a [b:c:4] \\", [(10, "a [b:c:4] \\")]),
        ("a [b:c:4] \\\n", [(10, "a [b:c:4] \\\n")]),
        ("[(a x:1:0.7)::8]", [(10, "[(a x:1:0.7)::8]")]),
        ("[(a x:0.7)::8]", [(8, "(a x:0.7)"), (10, "")]),
        ("[[a:b]:c:8] [d:e:9]", [(9, "[[a:b]:c:8] d"), (10, "[[a:b]:c:8] e")]),
        ("[[a:b:2]:c:d:8]", [(2, "[a:c:d:8]"), (10, "[b:c:d:8]")]),
        ("[a:b:٣]", [(10, "[a:b:٣]")]),
        ("", [(10, "")]),
    ],
)
def test_a_prompt_says_at_each_step_what_a1111_makes_it_say(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(edited(text, STEPS)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[cow|horse]", ["cow", "horse", "cow", "horse"]),
        ("[fe|]male", ["female", "male", "female", "male"]),
        ("[fe|||]male", ["female", "male", "male", "male"]),
        ("[a|(b:1.1)|c]", ["a", "(b:1.1)", "c", "a"]),
        ("[[a:b:2]|c]", ["a", "c", "b", "c"]),
        ("[a|b:c:2]", ["[a|b:c:2]"] * 4),
    ],
)
def test_alternatives_take_turns_from_step_to_step(text: str, expected: list[str]) -> None:
    stages = edited(text, 4)

    assert [next(said for last, said in stages if step <= last) for step in range(1, 5)] == expected


@given(st.text(alphabet="ab [](:)|\\.5-", max_size=60), st.integers(min_value=1, max_value=12))
def test_every_text_says_something_up_to_the_last_step(text: str, steps: int) -> None:
    stages = edited(text, steps)

    assert stages[-1].last_step == steps
    assert [stage.last_step for stage in stages] == sorted({stage.last_step for stage in stages})


@given(st.text(alphabet="ab, ()\\é", max_size=60))
def test_a_text_without_editing_stays_as_it_is(text: str) -> None:
    assert edited(text, STEPS) == ((STEPS, text),)


@pytest.mark.parametrize("when", ["-1e999", "1e999", "-1.5", "9" * 500, "1" * 500 + ".5", "1e-999"])
def test_a_moment_that_never_comes_or_is_long_past_is_one_all_the_same(when: str) -> None:
    assert edited(f"[a:b:{when}]", STEPS)[-1].last_step == STEPS


def test_ten_thousand_brackets_are_no_burden() -> None:
    deep = "[" * 10_000 + "a" + ":1]" * 10_000

    assert edited(deep, STEPS)[-1].last_step == STEPS
    assert edited("[" * 50_000, STEPS) == ((STEPS, "[" * 50_000),)


Plan = list["str | tuple[Plan, Plan, int] | list[Plan]"]
"""Text; what is said before and after a step; what takes turns."""


def plans() -> st.SearchStrategy[Plan]:
    texts = st.text(alphabet="ab ,é", min_size=1, max_size=4)

    def edits(inner: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
        swaps = st.tuples(inner, inner, st.integers(0, 12))
        return st.lists(texts | swaps | st.lists(inner, min_size=2, max_size=3), max_size=3)

    return st.recursive(st.lists(texts, max_size=2), edits, max_leaves=10)


def written(plan: Plan) -> str:
    pieces = []
    for node in plan:
        if isinstance(node, tuple):
            before, after, when = node
            pieces.append(f"[{written(before)}:{written(after)}:{when}]")
        else:
            pieces.append(node if isinstance(node, str) else f"[{'|'.join(map(written, node))}]")
    return "".join(pieces)


def said(plan: Plan, step: int) -> str:
    pieces = []
    for node in plan:
        if isinstance(node, tuple):
            pieces.append(said(node[0] if step <= node[2] else node[1], step))
        else:
            pieces.append(node if isinstance(node, str) else said(node[(step - 1) % len(node)], step))
    return "".join(pieces)


@given(plans())
def test_edits_in_edits_say_at_each_step_what_they_are_written_for(plan: Plan) -> None:
    stages = edited(written(plan), STEPS)

    for step in range(1, STEPS + 1):
        assert next(stage.text for stage in stages if step <= stage.last_step) == said(plan, step)
