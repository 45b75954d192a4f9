"""What learns: the rows of one word and their optimizer, and nothing else."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.training.config.regularization import LearningOptions
from ti_studio.training.optim.ema import RowEMA
from ti_studio.training.optim.factory import averaged_rows, make_optimizer
from ti_studio.training.optim.grad_scaler import GradScaler
from ti_studio.training.optim.parametrization import Rows, parametrize, rate_factors
from ti_studio.training.optim.state_dict import optimizer_state, restore_optimizer
from ti_studio.training.state import STEP, TrainingState


class TrainableEmbedding:
    """The learned rows, float32, with an optimizer over them."""

    def __init__(
        self,
        embedding: Embedding,
        device: torch.device,
        options: LearningOptions | None = None,
        vocabulary_norms: Mapping[str, float] | None = None,
        grad_scaler: GradScaler | None = None,
    ) -> None:
        """Takes the rows to begin with, and how they are to learn (by plain AdamW if nothing is said).

        Args:
            embedding: the word before the first step.
            device: where it is trained.
            options: how.
            vocabulary_norms: see `parametrize`.
            grad_scaler: the factor that is on the gradients; 1 if nothing is said.

        Raises:
            BadOptimizer: the optimizer isn't installed, or does not take its arguments.
            NoDirection: directions are to be learned, and the initial rows have none.
        """
        self._name = embedding.name
        self._options = options or LearningOptions()
        self.initial: Rows = {
            encoder: rows.to(device, torch.float32).clone() for encoder, rows in embedding.vectors.items()
        }
        """The rows before the first step."""
        self._parametrization = parametrize(self._options, self.initial, vocabulary_norms or {})
        parametrized = self._parametrization
        self._rate_factors = rate_factors(self._options, parametrized.parameters, parametrized.vocabulary_norms)
        self._optimizer, self.warnings = make_optimizer(
            self._options, self._parameters, apart=self._options.learning_rate_unit == "vocabulary"
        )
        self._average = RowEMA(self.rows, self._options.ema_decay) if self._options.ema_decay else None
        self.step = 0
        self.grad_scaler = grad_scaler or GradScaler()
        self._before: TrainingState | None = None

    @property
    def rows(self) -> Rows:
        """The rows as they are trained, with a graph to what the optimizer moves."""
        return self._parametrization.rows_of(self._parametrization.parameters)

    @property
    def evaluation_rows(self) -> Rows:
        """A copy of the rows as they are used: averaged, where an average was asked for."""
        if self._average is not None:
            return self._parametrization.mean({encoder: rows.clone() for encoder, rows in self._average.rows.items()})
        used = averaged_rows(self._optimizer, self._parameters)
        return self._parametrization.rows_of(dict(zip(self.initial, used, strict=True)))

    @property
    def _parameters(self) -> list[Tensor]:
        return list(self._parametrization.parameters.values())

    def update(self, learning_rate: float) -> Tensor:
        """Makes one optimizer step with the gradients that have been summed up, and forgets them.

        Returns:
            The Euclidean norm of the whole gradient and the mean one of the rows, [2], on the training device.
        """
        self._before = self.state()
        gradients = self.gradients()
        if self.grad_scaler.factor != 1:
            for gradient in gradients:
                gradient.div_(self.grad_scaler.factor)
        self._parametrization.before_step()
        norm = torch.linalg.vector_norm  # Tensor.norm's, without what that looks at first
        gradient_norm = norm(torch.stack([norm(gradient) for gradient in gradients]))
        if self._options.max_grad_value:
            torch.nn.utils.clip_grad_value_(self._parameters, self._options.max_grad_value)
        if self._options.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._options.max_grad_norm)
        for group, factor in zip(self._optimizer.param_groups, self._rate_factors, strict=True):
            group["lr"] = learning_rate * factor
        self._optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None
        self._parametrization.after_step()
        self.step += 1
        if self._average is not None:
            self._average.record(self.rows, self.step)
        vector_norm = torch.stack([norm(rows.detach(), dim=-1).mean() for rows in self.rows.values()]).mean()
        return torch.stack([gradient_norm, vector_norm])

    def gradients(self) -> list[Tensor]:
        """Returns the gradients that have been summed up, zero where no prompt of the step held the word."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]

    def undo(self) -> None:
        """Goes back to before the last update, but for the step's number."""
        assert self._before is not None
        step = self.step
        self.restore(self._before)
        self.step = step

    def embedding(self, metadata: Mapping[str, str] | None = None) -> Embedding:
        """Returns a copy of the word as it is now."""
        vectors = {encoder: rows.detach().cpu().clone() for encoder, rows in self.evaluation_rows.items()}
        return Embedding(self._name, vectors, step=self.step, metadata=metadata or {})

    def state(self) -> TrainingState:
        """Returns everything that is needed to go on exactly from here."""
        state = TrainingState(
            {encoder: parameter.detach().clone() for encoder, parameter in self._parametrization.parameters.items()},
            {STEP: str(self.step)},
        )
        state |= optimizer_state(self._optimizer) | self.grad_scaler.state()
        return state if self._average is None else state | self._average.state()

    def restore(self, state: TrainingState) -> None:
        """Goes back to a saved state.

        Raises:
            BadState: the state is of a word of another shape, or of another optimizer.
        """
        step = state.step
        for encoder, parameter in self._parametrization.parameters.items():
            with torch.no_grad():
                parameter.copy_(state.tensor(encoder, parameter))
        restore_optimizer(self._optimizer, state)
        self.grad_scaler.restore(state)
        if self._average is not None:
            self._average.restore(state)
        self.step = step
