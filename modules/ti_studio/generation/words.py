"""The library's words as one checkpoint sees them: which can be used, which can't and why."""

from collections.abc import Iterator

from ti_studio.embeddings.library import Entry, Library, State
from ti_studio.generation.prompting import PromptEncoder, TokenizedPrompt, same_length
from ti_studio.models.checkpoints import CheckpointInfo
from ti_studio.prompts.chunks import CHUNK_TOKENS
from ti_studio.prompts.conditioning import Conditioning


class PromptWords:
    """The words that prompts may use at this moment."""

    def __init__(self, library: Library, info: CheckpointInfo, prompts: PromptEncoder) -> None:
        self._library = library
        self._prompts = prompts
        self._usable: dict[str, Entry] = {}
        self._reasons: dict[str, str] = {}
        for entry in library.entries(info.widths, info.family.name):
            if entry.conflict is not None:
                continue
            reason = _why_not(entry)
            if reason is None:
                self._usable[entry.word] = entry
            else:
                self._reasons[entry.word] = reason
        self._index = prompts.index({word: entry.vectors_per_token or 0 for word, entry in self._usable.items()})

    def notices(self, *texts: str) -> Iterator[str]:
        """Yields a sentence for each word in the prompts that is in the folder but can't be used."""
        for word in self._prompts.mentions(", ".join(texts), self._reasons):
            yield f"The embedding {word} was not used: {self._reasons[word]}."

    def tokenize(self, *texts: str) -> list[TokenizedPrompt]:
        """Returns the prompts in equally many chunks each."""
        return same_length(*(self._prompts.tokenize(text, self._index) for text in texts))

    def encode(self, prompt: TokenizedPrompt, clip_skip: int = 1) -> Conditioning:
        """Returns the encoded prompt; rows that changed on disk since they were last used are read again."""
        embeddings = {word: self._library.load(self._usable[word]) for word in prompt.words}
        return self._prompts.encode(prompt, embeddings, clip_skip)

    def hashes(self, *prompts: TokenizedPrompt) -> dict[str, str]:
        """Returns the SHA-256 of the file of each word in the prompts."""
        words = dict.fromkeys(word for prompt in prompts for word in prompt.words)
        return {word: self._library.sha256(self._usable[word]) for word in words}


def _why_not(entry: Entry) -> str | None:
    if entry.state is not State.USABLE:
        return entry.reason or entry.state.value
    if (entry.vectors_per_token or 0) > CHUNK_TOKENS:
        return f"it has {entry.vectors_per_token} vectors; a prompt chunk has room for {CHUNK_TOKENS}"
    return None
