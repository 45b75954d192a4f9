"""What learns: the rows of one word and their optimizer, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.errors import StudioError
from ti_studio.folders import atomic_write

BETAS = (0.9, 0.999)
EPSILON = 1e-8

_MOMENTS = ("exp_avg", "exp_avg_sq")
_STEP = "step"


class BadState(StudioError):
    """A saved state that a training can't go on from."""


@dataclass(frozen=True)
class Norms:
    """Sizes to watch a training by."""

    gradient: float
    """Euclidean norm of the whole gradient."""
    vector: float
    """Mean Euclidean norm of the rows."""


class Learner:
    """The learned rows, float32, with AdamW over them. No weight decay: it would pull a word towards no word at all."""

    def __init__(self, embedding: Embedding, device: torch.device) -> None:
        self._name = embedding.name
        self.rows = {
            encoder: rows.to(device, torch.float32).clone().requires_grad_(True)
            for encoder, rows in embedding.vectors.items()
        }
        self.step = 0
        self._optimizer = torch.optim.AdamW(self.rows.values(), betas=BETAS, eps=EPSILON, weight_decay=0.0)

    def update(self, learning_rate: float) -> Norms:
        """Makes one optimizer step with the gradients that have been summed up, and forgets them."""
        gradients = [rows.grad for rows in self.rows.values() if rows.grad is not None]
        gradient_norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        vector_norm = torch.stack([rows.detach().norm(dim=-1).mean() for rows in self.rows.values()]).mean()
        gradient, vector = torch.stack([gradient_norm, vector_norm]).tolist()
        return Norms(gradient, vector)

    def embedding(self, metadata: Mapping[str, str] | None = None) -> Embedding:
        """Returns a copy of the word as it is now."""
        vectors = {encoder: rows.detach().cpu().clone() for encoder, rows in self.rows.items()}
        return Embedding(self._name, vectors, step=self.step, metadata=metadata or {})

    def save(self, path: Path, notes: Mapping[str, str]) -> None:
        """Writes everything that is needed to go on exactly from here: kilobytes, in one file that is replaced whole.

        The numbers drawn at a step depend only on the seed and the step (`training.randomness`), so no generator's
        state is among it.
        """
        tensors: dict[str, Tensor] = {}
        for encoder, rows in self.rows.items():
            moments = self._optimizer.state[rows]
            tensors[encoder] = rows.detach().cpu().contiguous()
            for name in _MOMENTS:
                tensors[f"{encoder}.{name}"] = moments.get(name, torch.zeros_like(rows)).detach().cpu().contiguous()
        atomic_write(path, save_safetensors(tensors, {**notes, _STEP: str(self.step)}))

    def restore(self, path: Path) -> dict[str, str]:
        """Goes back to a saved state, and returns the notes that were saved with it.

        Raises:
            BadState: the file is damaged, or of a word of another shape.
        """
        try:
            with safe_open(path, "pt") as file:
                notes = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError) as error:
            raise BadState(f"{path} can't be resumed from: {error}") from error
        step = notes.pop(_STEP, "")
        for encoder, rows in self.rows.items():
            shapes = [list(tensors[name].shape) for name in _names(encoder) if name in tensors]
            if shapes != [list(rows.shape)] * len(_names(encoder)) or not step.isdecimal():
                raise BadState(f"{path} holds {shapes} for {encoder}; expected rows and moments of {list(rows.shape)}.")
        self._take_over(tensors, int(step))
        return notes

    def _take_over(self, tensors: Mapping[str, Tensor], step: int) -> None:
        self.step = step
        for encoder, rows in self.rows.items():
            with torch.no_grad():
                rows.copy_(tensors[encoder])
            moments = {name: tensors[f"{encoder}.{name}"].to(rows.device) for name in _MOMENTS}
            if step:
                self._optimizer.state[rows] = {"step": torch.tensor(float(step)), **moments}


def _names(encoder: str) -> list[str]:
    """Returns the names of an encoder's tensors in a state file."""
    return [encoder, *(f"{encoder}.{moment}" for moment in _MOMENTS)]
