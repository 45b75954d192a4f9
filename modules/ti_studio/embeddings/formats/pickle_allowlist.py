"""Reads a pickle's instructions without following them, and names the first that an embedding has no need of.

torch's restricted unpickler keeps a pickle from running code. It does not keep one from asking for a hundred
gigabytes (`bytearray(10**11)`), or for a key that takes a century to hash (tuples of tuples of the same tuple).
Neither is possible with what is allowed here, which is what `torch.save` writes.
"""

import pickletools
from collections.abc import Iterator
from typing import BinaryIO

from ti_studio.embeddings.errors import UnreadableEmbedding

MAX_INSTRUCTIONS = 100_000

MAX_TUPLES = 5_000
"""Four for each tensor. Tuples in tuples are hashed by recursion, without end if nothing ends it."""

_PROTOCOL = 2
_STORAGES = ("Float", "Half", "Double", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
ALLOWED_GLOBALS = frozenset(
    {
        "__builtin__.set",
        "builtins.set",
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch.nn.modules.container.ParameterDict",
        *(f"torch.{name}Storage" for name in _STORAGES),
    }
)

_GLOBALS = frozenset({"GLOBAL", "INST", "STACK_GLOBAL"})
_ESCAPED = frozenset({"STRING", "PERSID"})
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
PUTS = frozenset({"BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_ALLOWED = frozenset(
    {"PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
    | {"BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"}
    | {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"}
    | {"GLOBAL", *_TUPLES, *PUTS, *_GETS}
)


def check_instructions(file: BinaryIO) -> None:
    """Checks one pickle of `file`, from its present position up to and with its end.

    Raises:
        UnreadableEmbedding: it asks for a global or an instruction that no embedding needs; the message names it.
        ValueError: it is no pickle, or cut off.
    """
    unneeded: list[str] = []
    top_is_tuple, tuples = False, 0
    memoized_tuples: set[object] = set()
    for name, argument in _instructions(file):
        unneeded += _unneeded(name, argument)
        # A tuple that is used twice is how a small pickle makes a key that takes for ever to hash.
        if name in _GETS and argument in memoized_tuples:
            unneeded.append("repeats a tuple")
        tuples += name in _TUPLES
        if name not in PUTS:
            top_is_tuple = name in _TUPLES
        elif top_is_tuple:
            memoized_tuples.add(argument)
    if tuples > MAX_TUPLES:
        unneeded.append(f"has more than {MAX_TUPLES:,} tuples")
    if unneeded:
        raise UnreadableEmbedding(f"{unneeded[0]}, which no embedding needs; it was not loaded")


def _unneeded(name: str, argument: object) -> list[str]:
    if name not in _ALLOWED:
        return [f"has the pickle instruction {name}"]
    if name == "PROTO" and argument != _PROTOCOL:
        return [f"is written in pickle protocol {argument}"]
    return []


def _instructions(file: BinaryIO) -> Iterator[tuple[str, object]]:
    """Yields name and argument of each instruction, up to the first that asks for a global which is not allowed."""
    texts: list[str] = []
    for count, (name, argument) in enumerate(decoded(file)):
        if isinstance(argument, str):
            texts = [*texts[-1:], argument]
        if name in _GLOBALS:
            asked_for = str(argument).replace(" ", ".") if argument else ".".join(texts)
            if asked_for not in ALLOWED_GLOBALS:
                raise UnreadableEmbedding(
                    f"asks to run {asked_for}, which no embedding needs and a malicious file would; it was not run"
                )
        if count >= MAX_INSTRUCTIONS:
            raise UnreadableEmbedding(
                f"has more than {MAX_INSTRUCTIONS:,} pickle instructions; an embedding has about 100"
            )
        yield name, argument


def decoded(file: BinaryIO) -> Iterator[tuple[str, object]]:
    """Yields name and argument of each instruction, up to and with the end of the pickle; `file` stands behind it then.

    `pickletools.genops` does nearly the same, and warns of strange escapes in texts that nobody needs.
    """
    while code := file.read(1):
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise ValueError(f"{code!r} is no instruction")
        if opcode.name in _ESCAPED:
            yield opcode.name, file.readline().strip(b"'\"\n").decode("latin-1")
        else:
            yield opcode.name, opcode.arg.reader(file) if opcode.arg else None
        if opcode.name == "STOP":
            return
    raise ValueError("the pickle breaks off")
