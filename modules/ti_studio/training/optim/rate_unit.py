"""What a learning rate counts in."""

import math
from collections.abc import Mapping

from ti_studio.training.config.optimizer import MOVES_ROWS, OptimizerOptions
from ti_studio.training.optim.parametrization import Rows


def rate_factors(options: OptimizerOptions, parameters: Rows, norms: Mapping[str, float]) -> list[float]:
    """Returns what each group of parameters takes the learning rate times: one group for each encoder, or for all of
    them together where the rate is the optimizer's own.

    Args:
        options: the optimizer and the rate's unit.
        parameters: what the optimizer moves, [n, width] for each encoder.
        norms: for each encoder, how long its parameters' rows are where they are the vocabulary's: its mean norm, or 1
            where they are directions.
    """
    if options.learning_rate_unit == "absolute":
        return [1.0]
    if options.optimizer in MOVES_ROWS:
        return [norms[encoder] for encoder in parameters]
    return [norms[encoder] / math.sqrt(rows.shape[-1]) for encoder, rows in parameters.items()]
