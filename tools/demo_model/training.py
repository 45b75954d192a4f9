"""The loop that all three trainers share: AdamW with a cosine, an averaged copy, and a state to resume from."""

import copy
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tools.demo_model.parallel import Team

SAVE_EVERY_SECONDS = 120.0
FINAL_RATE = 0.02
"""What is left of the learning rate at the end of the cosine."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train. The run ends at `samples`, or after `minutes` if that comes first."""

    samples: int
    batch: int
    """Pictures a step, over the whole team."""
    learning_rate: float
    minutes: float | None = None
    averaging: float = 0.998
    """Decay of the averaged copy (EMA) that is the result."""
    warmup: int = 150
    """Steps until the learning rate is at its full height."""
    weight_decay: float = 0.01
    slow: Mapping[str, float] = field(default_factory=dict)
    """Parts of the model, by the beginning of their parameters' names, and the share of the learning rate they get."""
    log_every: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """What a loss needs to know of the step it is computed for."""

    number: int
    progress: float
    """From 0 to 1, by samples or by the clock, whichever is further."""
    share: int
    """Pictures that this process takes."""
    rng: np.random.Generator
    generator: torch.Generator
    device: torch.device


LossOf = Callable[[nn.Module, Step], Tensor]


@dataclass
class _State:
    """Everything that a resumed run needs, besides the weights."""

    step: int = 0
    seconds: float = 0.0


class _Average:
    """A running mean of the weights, quick at first and slower as training settles."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)


def train(model: nn.Module, loss_of: LossOf, recipe: Recipe, state_file: Path, team: Team) -> nn.Module:
    """Trains `model` in place and returns its averaged copy; continues from `state_file` if that exists."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = _parameter_groups(model, recipe)
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True)
    average, state = _Average(model, recipe.averaging), _State()
    if state_file.exists():
        _restore(state_file, model, average, optimizer, state)
    started, saved, losses = time.monotonic() - state.seconds, time.monotonic(), []
    first = state.step
    while (progress := team.largest(_progress(state, recipe))) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(recipe, state.step, progress)
        loss = loss_of(model, _step(state.step, progress, recipe, team, trained[0].device))
        loss.backward()
        team.average_gradients(trained)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step += 1
        average.update(model, state.step)
        losses.append(loss.detach())
        state.seconds = time.monotonic() - started
        if team.leads and state.step % recipe.log_every == 0:
            _log(state, recipe, progress, losses, first)
        if team.leads and time.monotonic() - saved > SAVE_EVERY_SECONDS:
            _save(state_file, model, average, optimizer, state)
            saved = time.monotonic()
    if team.leads:
        _save(state_file, model, average, optimizer, state)
    return average.model


def _parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """One group for each slow part and one for all the rest."""
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        part = next((beginning for beginning in recipe.slow if name.startswith(beginning)), "")
        group = groups.setdefault(part, {"params": [], "share": recipe.slow.get(part, 1.0)})
        if parameter.requires_grad:
            group["params"].append(parameter)
    return list(groups.values())


def learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    """A short rise, then half a cosine down to FINAL_RATE of the full height."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup) * (FINAL_RATE + (1 - FINAL_RATE) * cosine)


def _progress(state: _State, recipe: Recipe) -> float:
    by_samples = state.step * recipe.batch / recipe.samples
    return max(by_samples, state.seconds / (60 * recipe.minutes)) if recipe.minutes else by_samples


def _step(number: int, progress: float, recipe: Recipe, team: Team, device: torch.device) -> Step:
    """Random numbers depend on seed, step and process alone, so a resumed run draws what an unbroken one would."""
    rng = np.random.default_rng([recipe.seed, number, team.rank])
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    return Step(number, progress, max(1, recipe.batch // team.size), rng, generator, device)


def _log(state: _State, recipe: Recipe, progress: float, losses: list[Tensor], first: int) -> None:
    mean = float(torch.stack(losses).mean())
    pace = state.seconds / max(state.step, 1)
    left = state.seconds * (1 - progress) / max(progress, 1e-6)
    print(
        f"step {state.step}  samples {state.step * recipe.batch}  loss {mean:.4f}  {recipe.batch / pace:.1f} samples/s"
        f"  {100 * progress:.1f} %  {left / 60:.1f} min left",
        flush=True,
    )
    losses.clear()


def _save(path: Path, model: nn.Module, average: _Average, optimizer: torch.optim.Optimizer, state: _State) -> None:
    content = {
        "model": model.state_dict(),
        "average": average.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": vars(state),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


def _restore(path: Path, model: nn.Module, average: _Average, optimizer: torch.optim.Optimizer, state: _State) -> None:
    content = torch.load(path, weights_only=True)
    model.load_state_dict(content["model"])
    average.model.load_state_dict(content["average"])
    optimizer.load_state_dict(content["optimizer"])
    state.step, state.seconds = content["state"]["step"], content["state"]["seconds"]
