"""Classes in a file of torch's older form, which come with the path and the text of their source.

torch wrote `("module", class, path, source)` for each class of modules, by which a reader could tell that it had
changed since. Its restricted unpickler takes no such thing, though it takes the class by itself: nn.ParameterDict is
one, and holds the rows in rinongal's files.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

from ti_studio.embeddings.formats.pickle_allowlist import PUTS, decoded

_PARAMETER_DICT = "torch.nn.modules.container ParameterDict"
_NAMED = b"torch.nn.modules.container\nParameterDict\n"
"""How a pickle writes that name."""
_KIND = "module"
_TEXTS = frozenset({"BINUNICODE", "BINSTRING", "SHORT_BINSTRING"})
_ABOUT = frozenset({*_TEXTS, "NONE"})
"""What path and source may be; torch writes None where it finds no source."""


class _Instruction(NamedTuple):
    name: str
    argument: object
    start: int
    end: int


def without_sources(content: bytes) -> bytes:
    """Returns one pickle in which each `ParameterDict` stands by itself; the very same bytes if there is none.

    The instructions must have been checked before.
    """
    if _NAMED not in content:
        return content
    kept, pieces, since_mark = 0, list[bytes](), list[_Instruction]()
    start, file = 0, io.BytesIO(content)
    for name, argument in decoded(file):
        if name == "MARK":
            since_mark.clear()
        since_mark.append(_Instruction(name, argument, start, file.tell()))
        start = file.tell()
        class_argument = _class_in(since_mark) if name == "BINPERSID" else None
        if class_argument is not None:
            pieces += [content[kept : since_mark[0].start], content[class_argument]]
            kept = start
    return b"".join([*pieces, content[kept:]]) if pieces else content


def _class_in(instructions: Sequence[_Instruction]) -> slice | None:
    """Returns where the class is named, and remembered for later, in the instructions that say it with its source."""
    match [each for each in instructions if each.name not in PUTS]:
        case [
            _Instruction("MARK"),
            _Instruction(kind, said),
            _Instruction("GLOBAL", asked_for) as named,
            _Instruction(path),
            _Instruction(source),
            _Instruction("TUPLE"),
            _Instruction("BINPERSID"),
        ] if kind in _TEXTS and said == _KIND and asked_for == _PARAMETER_DICT and {path, source} <= _ABOUT:
            behind = instructions[instructions.index(named) + 1]
            return slice(named.start, behind.end if behind.name in PUTS else named.end)
    return None
