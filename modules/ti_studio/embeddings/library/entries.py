"""What the library says of each file: usable, incompatible or unreadable, and why; and who wins a word of two files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from ti_studio.embeddings.embedding import KNOWN_ENCODERS, family_of
from ti_studio.embeddings.library.walk import FileState
from ti_studio.embeddings.names import displayed

FileIdentity = tuple[str, FileState | None, str | None]
"""A file's relative path, its status, and its SHA-256 where the status alone can't tell its content."""


class EntryState(str, Enum):
    """What can be done with a file."""

    USABLE = "usable"
    INCOMPATIBLE = "incompatible"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Entry:
    """One embedding file of the library. Texts are safe to show: characters that can't be shown are replaced."""

    word: str
    """The file's name without its ending: what prompts use."""
    path: Path
    id: str
    """Opaque and stable while the file keeps its place; for routes."""
    folder: str
    """Relative to the library, with `/` between the parts; empty for the library itself."""
    state: EntryState
    reason: str | None = None
    """Why the file is not usable, in plain words."""
    conflict: str | None = None
    """The file that wins this word, relative to the library; None where this one does."""
    vectors_per_token: int | None = None
    family: str | None = None
    step: int | None = None
    widths: Mapping[str, int] = field(default_factory=dict, hash=False)
    size: int = 0
    """In bytes."""
    modified: float = 0.0
    """Unix time, in seconds."""
    sha256: str | None = None
    """Of the file, where it is known already; `Library.sha256` works it out."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the file says of itself, by the keys of `metadata.SHORT`; `Library.metadata` has all of it."""
    preview: Path | None = None
    identity: FileIdentity = field(default=("", None, None), repr=False)
    """Differs whenever the file's content may differ."""

    @property
    def relative(self) -> str:
        """Returns the path relative to the library, as it may be shown."""
        return displayed(f"{self.folder}/{self.path.name}" if self.folder else self.path.name)


def misfit(entry: Entry, widths: Mapping[str, int], checkpoint_family: str | None = None) -> str | None:
    """Returns why an embedding doesn't fit a checkpoint with these widths by text encoder, or None if it does."""
    if entry.widths == widths:
        return None
    family = checkpoint_family or family_of(widths)
    foreign = [encoder for encoder in entry.widths if encoder not in KNOWN_ENCODERS]
    if foreign:
        made_for = f"made for a model with the text encoder {' and '.join(foreign)}, such as SD 3 or Flux"
        return f"{made_for}, which can't be used here; the checkpoint is {family}"
    if entry.family != family:
        return f"made for {_made_for(entry)}; the checkpoint is {family}"
    own_widths = ", ".join(str(width) for width in entry.widths.values())
    needed = ", ".join(str(widths.get(encoder, 0)) for encoder in entry.widths)
    return f"its vectors are {own_widths} wide; the checkpoint needs {needed}"


class CheckpointFit:
    """Says which of a library's entries fit one kind of checkpoint, and keeps what it said of those that have not
    changed: thousands may be made for another kind."""

    def __init__(self, widths: Mapping[str, int], checkpoint_family: str | None = None) -> None:
        """Takes the checkpoint's widths by text encoder, and what the reasons call it."""
        self._widths, self._family = widths, checkpoint_family
        self._misfits: dict[str, tuple[Entry, Entry]] = {}

    def judge(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Returns the entries with their state for this checkpoint, and with the winner of each word that several have.

        The first file by path wins, among those that are usable if any is: a broken or foreign file takes no word away.
        """
        judged: list[Entry] = []
        misfits: dict[str, tuple[Entry, Entry]] = {}
        for entry in entries:
            known = self._misfits.get(entry.id)
            if known is None or known[0] is not entry:
                known = (entry, _for_checkpoint(entry, self._widths, self._family))
            if known[1] is not entry:
                misfits[entry.id] = known
            judged.append(known[1])
        self._misfits = misfits
        return with_winners(judged)


def with_winners(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Returns the entries with the winner of each word that several have, whatever the checkpoint."""
    judged = tuple(entries)
    words = [entry.word.lower() for entry in judged]
    if len(set(words)) == len(words):
        return judged
    winners: dict[str, Entry] = {}
    for word, entry in sorted(zip(words, judged, strict=True), key=lambda pair: pair[1].state is not EntryState.USABLE):
        winners.setdefault(word, entry)
    return tuple(_for_word(entry, winners[word]) for word, entry in zip(words, judged, strict=True))


def _for_checkpoint(entry: Entry, widths: Mapping[str, int], checkpoint_family: str | None) -> Entry:
    reason = misfit(entry, widths, checkpoint_family) if entry.state is EntryState.USABLE else None
    return replace(entry, state=EntryState.INCOMPATIBLE, reason=reason) if reason else entry


def _for_word(entry: Entry, winner: Entry) -> Entry:
    return entry if winner is entry else replace(entry, conflict=winner.relative)


def _made_for(entry: Entry) -> str:
    return f"{' and '.join(entry.widths)} alone" if entry.family == "unknown" else str(entry.family)


def named_as(entries: Iterable[Entry], name: str) -> Entry | None:
    """Returns the file that a prompt calls by name: its path in the library with or without the ending, its own name,
    or its word, in this order. Case makes no difference, nor does which way the slashes lean."""
    query = name.casefold().replace("\\", "/").strip("/ ")
    ranked: list[tuple[int, bool, int]] = []
    listed = tuple(entries)
    for number, entry in enumerate(listed):
        names = _names(entry)
        if query in names:
            ranked.append((names.index(query), entry.conflict is not None, number))
    return listed[min(ranked)[2]] if ranked else None


def _names(entry: Entry) -> tuple[str, str, str, str]:
    path = entry.relative.casefold()
    return path, path.removesuffix(entry.path.suffix.casefold()), entry.path.name.casefold(), entry.word.casefold()
