"""Names that say nothing, or that are not the field's, stay out of the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BANNED = {
    *("found", "told", "wanted", "looks", "drawn", "initially"),
    *("utils", "helpers", "manager", "misc"),
    *("keeping", "doubts_of", "add_up", "sizes_of", "spliced", "quicken", "shelf", "survey", "verdicts", "frugal_gate"),
}
CODE = ("modules/ti_studio", "ti_studio_bridge", "scripts", "install.py", "launch.py")


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yields every name that a module gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno


def _files(root: Path, place: str) -> list[Path]:
    path = root / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


@pytest.mark.parametrize("place", CODE)
def test_no_banned_name_is_given_to_anything(root: Path, place: str) -> None:
    files = _files(root, place)
    assert files
    given = [(path, name, line) for path in files for name, line in _names(ast.parse(path.read_text(encoding="utf-8")))]
    assert [f"{path}:{line} {name}" for path, name, line in given if name.strip("_") in BANNED] == []
    assert [path for path in files if path.stem in BANNED] == []


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "def f(told): ...",
        "self.wanted = 1",
        "class utils: ...",
        "for looks in x: ...",
        "def _shelf(): ...",
    ],
)
def test_each_kind_of_name_is_seen(code: str) -> None:
    assert any(name.strip("_") in BANNED for name, _ in _names(ast.parse(code)))
