"""Inserting words into a prompt and removing them: `javascript/studio/prompt/words.js` in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.studio import Studio

REMOVED = (
    ("cat", "a cat on a mat", "a on a mat"),
    ("cat", "category, catalogue", "category, catalogue"),
    ("cat", "blue-cat, cat.v2, cat_1, cat", "blue-cat, cat.v2, cat_1"),
    ("cat", "cat, dog", "dog"),
    ("cat", "dog, cat, bird", "dog, bird"),
    ("cat", "dog, cat", "dog"),
    ("cat", "a CAT, sitting", "a, sitting"),
    ("cat", "(cat:1.3), dog", "dog"),
    ("cat", "((cat)), dog", "dog"),
    ("cat", "(cat on a mat:1.3)", "(on a mat:1.3)"),
    ("cat", "cat cat cat", ""),
    ("cat", "one line, cat\nnext line", "one line,\nnext line"),
    ("a.b+c", "a.b+c, axb+c", "axb+c"),
    ("$& [x](y)", "red, $& [x](y), blue", "red, blue"),
    ("кот", "синий кот, котёл", "синий, котёл"),
    ("cat", "dog,  spaced   text", "dog,  spaced   text"),
    ("cat", "((cat:1.2), dog:1.1)", "(dog:1.1)"),
    ("cat", "((cat:1.2):1.1), dog", "dog"),
    ("cat", "a \\(cat\\) (cat:-0.5), dog", "a \\(\\), dog"),
    ("cat", "<embedding:cat>, <embedding:zoo/cat:0.8>, dog", "dog"),
    ("cat", "<embedding:cats> embedding:cat, embedding:cats", "<embedding:cats>, embedding:cats"),
    ("my cat", "red, <embedding:my cat:0.8>, blue", "red, blue"),
    ("cat", "red, <embed:zoo/cat>, <embed:cats>", "red, <embed:cats>"),
    ("cat", "red, <embedding:cat.pt>, cat", "red, <embedding:cat.pt>"),
    ("cat.pt", "red, <embedding:cat.pt>, cat", "red, cat"),
)
INSERTED = (
    ("cat", "", 0, "cat", 3),
    ("cat", "a photo of", 10, "a photo of cat", 14),
    ("cat", "a photo of ", 11, "a photo of cat", 14),
    ("cat", "a photo of on a mat", 11, "a photo of cat on a mat", 14),
    ("cat", "(:1.2)", 1, "(cat:1.2)", 4),
    ("cat", "red, blue", None, "red, blue, cat", 14),
    ("cat", "red,", None, "red, cat", 8),
    ("cat", "", None, "cat", 3),
)


@pytest.fixture
def words(page: Page, studio: Studio) -> Page:
    """A page with the module loaded."""
    page.goto(f"{studio.url}ti/embeddings")
    scripts = page.request.get(f"{studio.url}config").json()["head"]
    base = scripts.split('src="')[1].split("main.js")[0]
    page.evaluate(f"import('/{base}prompt/words.js').then(words => {{ window.words = words; }})")
    return page


def test_removing_affects_whole_words_only_and_closes_the_gap(words: Page) -> None:
    texts = [
        words.evaluate("([word, text]) => words.removeWord(text, word)", [word, text]) for word, text, _ in REMOVED
    ]
    assert texts == [expected for _, _, expected in REMOVED]


def test_a_word_is_found_in_exactly_the_prompts_that_removing_changes(words: Page) -> None:
    for word, text, expected in REMOVED:
        assert words.evaluate("([word, text]) => words.hasWord(text, word)", [word, text]) is (text != expected)


def test_inserting_separates_the_word_from_its_neighbours(words: Page) -> None:
    edits: list[Any] = [
        words.evaluate("([word, text, caret]) => words.insertWord(text, word, caret)", [word, text, caret])
        for word, text, caret, _, _ in INSERTED
    ]
    assert [(edit["text"], edit["caret"]) for edit in edits] == [(text, caret) for _, _, _, text, caret in INSERTED]


@pytest.mark.parametrize(
    ("word", "weight", "form"),
    [
        ("cat", None, "cat"),
        ("cat.v2-b", 1, "cat.v2-b"),
        ("cat", 0.8, "(cat:0.8)"),
        ("my cat", None, "<embedding:my cat>"),
        ("cat (fate)", 1.2, "<embedding:cat (fate):1.2>"),
        ("a<b", 0.5, "(a<b:0.5)"),
        ("zoo/cat.pt", None, "<embedding:zoo/cat.pt>"),
        ("cat.safetensors", 0.5, "<embedding:cat.safetensors:0.5>"),
    ],
)
def test_a_name_that_is_not_a_single_word_becomes_a_tag(
    words: Page, word: str, weight: float | None, form: str
) -> None:
    assert words.evaluate("([word, weight]) => words.promptForm(word, weight)", [word, weight]) == form
    text = words.evaluate("form => words.insertWord('red, blue', form, 4).text", form)
    assert words.evaluate("([text, word]) => words.removeWord(text, word)", [text, word]) in ("red, blue", "red blue")


@pytest.mark.parametrize(
    ("text", "new", "renamed"),
    [
        ("a cat, (cat:0.8) and cats", "tom", "a tom, (tom:0.8) and cats"),
        ("<embedding:zoo/cat:0.8>, <embedding:cat>", "my tom", "<embedding:my tom:0.8>, <embedding:my tom>"),
        ("<embed:cat>, (<Embed: zoo/cat :0.8>:1.2)", "my tom", "<embed:my tom>, (<Embed:my tom:0.8>:1.2)"),
        ("embedding:cat, cat", "tom", "embedding:tom, tom"),
        ("(cat:1.2)", "my $& tom", "(<embedding:my $& tom>:1.2)"),
    ],
)
def test_a_renamed_word_keeps_its_position_and_weight(words: Page, text: str, new: str, renamed: str) -> None:
    assert words.evaluate("([text, new_]) => words.replaceWord(text, 'cat', new_)", [text, new]) == renamed


def test_names_are_completed_in_each_form_of_the_tag(words: Page) -> None:
    for text in ("a <embedding:zoo/c", "a <embed:zoo/c"):
        typed = "text => { const t = words.typedName(text, text.length); return [t.query, t.replacedBy('cat').text]; }"
        assert words.evaluate(typed, text) == ["zoo/c", "a <embedding:cat>"]
