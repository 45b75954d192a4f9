"""Follows the instructions of a torch pickle without torch: what it holds, with an outline in place of each tensor.

Known here are only the instructions and names that embeddings are usually written with. Whatever else comes up is
`Unfamiliar` and left to `pickles`, which refuses it by name or reads it with torch: nothing is accepted here that would
be refused there. Reading a thousand files so takes a tenth of a second; torch takes one.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

MAX_INSTRUCTIONS = 5_000
"""A hundred tensors in one list."""


class Unfamiliar(ValueError):
    """A pickle has something in it that this reader leaves to torch's."""


@dataclass(frozen=True, slots=True)
class StorageType:
    """One of torch's classes for the numbers of tensors."""

    dtype: str
    """As a safetensors header calls it."""
    size: int
    """Bytes of one number."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a file keeps the numbers of tensors."""

    type: StorageType
    key: str
    count: int

    @property
    def size(self) -> int:
        """Returns its length in bytes."""
        return self.type.size * self.count


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What a pickle says of one tensor."""

    dtype: str
    shape: tuple[int, ...]


class _Call(Enum):
    """What a pickle may ask to be called."""

    ORDERED_DICT = auto()
    TENSOR = auto()
    PARAMETER = auto()


_GLOBALS: dict[tuple[bytes, bytes], object] = {
    (b"collections", b"OrderedDict"): _Call.ORDERED_DICT,
    (b"torch._utils", b"_rebuild_tensor_v2"): _Call.TENSOR,
    (b"torch._utils", b"_rebuild_parameter"): _Call.PARAMETER,
    (b"torch", b"DoubleStorage"): StorageType("F64", 8),
    (b"torch", b"FloatStorage"): StorageType("F32", 4),
    (b"torch", b"HalfStorage"): StorageType("F16", 2),
    (b"torch", b"BFloat16Storage"): StorageType("BF16", 2),
    (b"torch", b"LongStorage"): StorageType("I64", 8),
    (b"torch", b"IntStorage"): StorageType("I32", 4),
}
_MOST_NAME_BYTES = 100
_DEVICES = ("cpu", "cuda")
"""Where tensors were when they were saved; they are loaded to the CPU."""


@dataclass(slots=True)
class _Machine:
    """A pickle that is being followed."""

    data: bytes
    position: int
    stack: list[object] = field(default_factory=list)
    """What stands above the last mark."""
    below: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)

    def take(self, count: int) -> bytes:
        """Returns the next bytes."""
        taken = self.data[self.position : self.position + count]
        self.position += count
        if len(taken) != count:
            raise Unfamiliar
        return taken

    def line(self) -> bytes:
        """Returns the bytes up to the end of the line."""
        end = self.data.index(b"\n", self.position, self.position + _MOST_NAME_BYTES)
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def above_mark(self) -> list[object]:
        """Returns what stands above the last mark, and takes both away."""
        above, self.stack = self.stack, self.below.pop()
        return above

    def top(self, kind: type) -> object:
        """Returns what stands uppermost, which has to be of this type."""
        top = self.stack[-1]
        if type(top) is not kind:
            raise Unfamiliar
        return top


def follow(data: bytes, position: int, storages: dict[str, Storage]) -> tuple[object, int]:
    """Follows the pickle that begins at `position`.

    Args:
        data: the file.
        position: where the pickle begins.
        storages: takes the storages that it speaks of, by their key.

    Returns:
        What it makes, and where it ends.

    Raises:
        Unfamiliar: it is cut off, or has something in it that is not known here.
        ValueError, LookupError, struct.error: the same, found on the way.
    """
    machine = _Machine(data, position, storages=storages)
    for _ in range(MAX_INSTRUCTIONS):
        code = data[machine.position]
        machine.position += 1
        if code == _STOP:
            (made,) = machine.stack
            if machine.below:
                raise Unfamiliar
            return made, machine.position
        instruction = _INSTRUCTIONS.get(code)
        if instruction is None:
            raise Unfamiliar
        instruction(machine)
    raise Unfamiliar


def _protocol(machine: _Machine) -> None:
    if machine.take(1) != b"\x02":
        raise Unfamiliar


def _mark(machine: _Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _constant(value: object) -> Callable[[_Machine], None]:
    def push(machine: _Machine) -> None:
        machine.stack.append(value)

    return push


def _number(form: str) -> Callable[[_Machine], None]:
    layout = struct.Struct(form)

    def push(machine: _Machine) -> None:
        machine.stack.append(layout.unpack_from(machine.data, machine.position)[0])
        machine.position += layout.size

    return push


def _long(machine: _Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(machine.take(1)[0]), "little", signed=True))


def _text(machine: _Machine) -> None:
    count = int.from_bytes(machine.take(4), "little")
    machine.stack.append(machine.take(count).decode())


def _new_list(machine: _Machine) -> None:
    machine.stack.append([])


def _new_dict(machine: _Machine) -> None:
    machine.stack.append({})


def _tuple(count: int) -> Callable[[_Machine], None]:
    def push(machine: _Machine) -> None:
        if len(machine.stack) < count:
            raise Unfamiliar
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return push


def _marked_tuple(machine: _Machine) -> None:
    items = machine.above_mark()
    machine.stack.append(tuple(items))


def _append(machine: _Machine) -> None:
    item = machine.stack.pop()
    _extend(machine, [item])


def _appends(machine: _Machine) -> None:
    _extend(machine, machine.above_mark())


def _extend(machine: _Machine, items: list[object]) -> None:
    target = machine.top(list)
    assert isinstance(target, list)
    target.extend(items)


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value])


def _set_items(machine: _Machine) -> None:
    _update(machine, machine.above_mark())


def _update(machine: _Machine, items: list[object]) -> None:
    target = machine.top(dict)
    assert isinstance(target, dict)
    keys = items[::2]
    # A key of another type could take for ever to hash.
    if len(items) % 2 or not all(type(key) is str or type(key) is int for key in keys):
        raise Unfamiliar
    target.update(zip(keys, items[1::2], strict=True))


def _put(machine: _Machine) -> None:
    machine.memo[machine.take(1)[0]] = machine.stack[-1]


def _long_put(machine: _Machine) -> None:
    machine.memo[int.from_bytes(machine.take(4), "little")] = machine.stack[-1]


def _get(machine: _Machine) -> None:
    _remembered(machine, machine.take(1)[0])


def _long_get(machine: _Machine) -> None:
    _remembered(machine, int.from_bytes(machine.take(4), "little"))


def _remembered(machine: _Machine, number: int) -> None:
    value = machine.memo[number]
    if type(value) is tuple:
        raise Unfamiliar
    machine.stack.append(value)


def _global(machine: _Machine) -> None:
    known = _GLOBALS.get((machine.line(), machine.line()))
    if known is None:
        raise Unfamiliar
    machine.stack.append(known)


def _persistent(machine: _Machine) -> None:
    match machine.stack.pop():
        case ("storage", StorageType() as kind, str(key), str(device), int(count), *view):
            storage = Storage(kind, key, count)
        case _:
            raise Unfamiliar
    # The older form says last what part of a larger storage this is.
    if view not in ([], [None]) or not device.startswith(_DEVICES) or count < 0:
        raise Unfamiliar
    if machine.storages.setdefault(key, storage) != storage:
        raise Unfamiliar
    machine.stack.append(storage)


def _reduce(machine: _Machine) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    match called, arguments:
        case _Call.ORDERED_DICT, ():
            machine.stack.append({})
        case _Call.PARAMETER, (StoredTensor() as tensor, bool(), dict()):
            machine.stack.append(tensor)
        case _Call.TENSOR, (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), dict()):
            machine.stack.append(_tensor(storage, offset, shape, strides))
        case _:
            raise Unfamiliar


def _tensor(storage: Storage, offset: int, shape: tuple[object, ...], strides: tuple[object, ...]) -> StoredTensor:
    sizes = [size for size in shape if type(size) is int and size > 0]
    steps = [step for step in strides if type(step) is int and step >= 0]
    if not len(shape) == len(strides) == len(sizes) == len(steps):
        raise Unfamiliar
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if not 0 <= offset <= last < storage.count:
        raise Unfamiliar
    return StoredTensor(storage.type.dtype, tuple(sizes))


_STOP = ord(".")
_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _protocol,
    ord("("): _mark,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord(")"): _constant(()),
    ord("J"): _number("<i"),
    ord("K"): _number("<B"),
    ord("M"): _number("<H"),
    ord("G"): _number(">d"),
    0x8A: _long,
    ord("X"): _text,
    ord("]"): _new_list,
    ord("}"): _new_dict,
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("t"): _marked_tuple,
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("q"): _put,
    ord("r"): _long_put,
    ord("h"): _get,
    ord("j"): _long_get,
    ord("c"): _global,
    ord("Q"): _persistent,
    ord("R"): _reduce,
}
