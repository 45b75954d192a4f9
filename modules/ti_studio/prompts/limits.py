"""How long a prompt may be. Imports no torch."""

from dataclasses import dataclass

from ti_studio.errors import StudioError
from ti_studio.server_options import PROMPT_CHARACTERS, PROMPT_CHUNKS

_STEPS = 8
"""So many times the chunks of one step a prompt may have over all steps: editing gives it another text at each."""
MOST_JOINED = 16
"""Prompts that AND may join: each of them is a picture of its own to the UNet, all at the same time."""


class PromptTooLong(StudioError):
    """A prompt that would take more memory than any picture is worth."""


@dataclass(frozen=True)
class PromptLimits:
    """What a server takes of a prompt."""

    characters: int = PROMPT_CHARACTERS
    chunks: int = PROMPT_CHUNKS
    """Of 75 tokens, at any step, those of all prompts together that AND joins."""

    def check_text(self, text: str, what: str = "The prompt") -> None:
        """Checks a prompt before anything is done with it.

        Raises:
            PromptTooLong: it has too many characters.
        """
        if len(text) > self.characters:
            raise PromptTooLong(f"{what} has {len(text):,} characters; expected {self.characters:,} at most.")

    def check_joined(self, count: int) -> None:
        """Checks how many prompts are joined by AND.

        Raises:
            PromptTooLong: they are too many.
        """
        if count > MOST_JOINED:
            raise PromptTooLong(f"The prompt joins {count:,} prompts by AND; expected {MOST_JOINED} at most.")

    def check_chunks(self, at_a_step: int, in_all: int) -> None:
        """Checks a prompt that was read.

        Args:
            at_a_step: its chunks at the step where it has most.
            in_all: its chunks over all steps, those of equal texts once.

        Raises:
            PromptTooLong: they are too many.
        """
        if at_a_step > self.chunks:
            raise PromptTooLong(f"The prompt has {at_a_step:,} chunks of 75 tokens; expected {self.chunks:,} at most.")
        if in_all > _STEPS * self.chunks:
            raise PromptTooLong(
                f"The prompt's editing makes {in_all:,} chunks of 75 tokens over all steps; expected "
                f"{_STEPS * self.chunks:,} at most."
            )
