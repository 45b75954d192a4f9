"""An optimizer's state as tensors and text, whichever optimizer it is."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ti_studio.training.state import BadState, TrainingState

_PLAIN = (bool, int, float, str, type(None), list, tuple)


def optimizer_state(optimizer: torch.optim.Optimizer) -> TrainingState:
    """Returns the state: tensors as `optimizer.<parameter>.<name>`, or `….<name>.<name within>` where the optimizer
    keeps them in a dictionary, as bitsandbytes' do; everything else as JSON in one note.

    Raises:
        BadState: the optimizer keeps something that is neither a tensor nor JSON.
    """
    saved = optimizer.state_dict()
    parts = {**{str(key): value for key, value in saved["state"].items()}, **_groups(saved)}
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for part, values in parts.items():
        for name, value in _flat(values).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{part}.{name}"] = value.detach().clone()
            elif isinstance(value, _PLAIN):
                plain[part][name] = value
            else:
                raise BadState(
                    f"{type(optimizer).__name__} keeps a {type(value).__name__} as {name!r}, which can't be saved, so "
                    "a training with it could not be resumed. Choose another optimizer."
                )
    return TrainingState(tensors, {"optimizer": json.dumps(plain), "optimizer_kind": type(optimizer).__name__})


def restore_optimizer(optimizer: torch.optim.Optimizer, state: TrainingState) -> None:
    """Puts a state back.

    Raises:
        BadState: it is of another optimizer or other parameters.
    """
    kind, of = type(optimizer).__name__, state.notes.get("optimizer_kind")
    if of != kind:
        raise BadState(f"The saved state is not of a {kind}: it is of {of or 'none that is known'}.")
    parts = _parts(state)
    saved = optimizer.state_dict()
    groups = _groups(saved)
    for name, group in groups.items():
        # An optimizer may note more in a group than it began with, and never less.
        if not set(group) <= set(parts.get(name, {})):
            raise BadState(f"The saved state is not of this {kind}: it holds {sorted(parts.get(name, {}))}.")
        saved["param_groups"][int(name[1:])].update(parts[name])
    values = {int(name): value for name, value in parts.items() if name not in groups}
    _check_shapes(optimizer, values)
    optimizer.load_state_dict({**saved, "state": values})


def _parts(state: TrainingState) -> dict[str, dict[str, Any]]:
    """Returns the values of each parameter ("0", "1", …) and each group ("g0", …), tuples as lists."""
    try:
        parts: dict[str, dict[str, Any]] = json.loads(state.notes.get("optimizer", ""))
    except ValueError as error:
        raise BadState(f"The saved state's optimizer can't be read: {error}") from error
    for name, tensor in state.tensors.items():
        head, _, rest = name.partition(".")
        if head == "optimizer":
            part, _, value = rest.partition(".")
            # A copy, because a file's tensors lie where they lie in memory, and sums depend on that in their last bit.
            parts.setdefault(part, {})[value] = tensor.clone()
    return {part: _nested(values) for part, values in parts.items()}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with those of a dictionary among them as `name.name within`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{within}": inner for within, inner in value.items()}
        else:
            flat[name] = value
    return flat


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Undoes `_flat`."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        outer, dot, within = name.partition(".")
        if dot:
            nested.setdefault(outer, {})[within] = value
        else:
            nested[name] = value
    return nested


def _groups(saved: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"g{index}": {name: value for name, value in group.items() if name != "params"}
        for index, group in enumerate(saved["param_groups"])
    }


def _check_shapes(optimizer: torch.optim.Optimizer, values: Mapping[int, Mapping[str, Any]]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not set(values) <= set(range(len(parameters))):
        raise BadState(f"The saved state is of {len(values)} parameters; expected {len(parameters)}.")
    for index, named in values.items():
        moment = named.get("exp_avg")
        if moment is not None and moment.shape != parameters[index].shape:
            raise BadState(
                f"The saved state holds moments of {list(moment.shape)}; expected {list(parameters[index].shape)}."
            )
