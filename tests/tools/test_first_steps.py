"""The first steps of the presets, on tiny checkpoints of each family."""

import runpy
from pathlib import Path
from statistics import median

import pytest

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.presets import filled
from ti_studio.training.config.published_presets import PUBLISHED
from tools.first_steps import Moves, first_steps
from tools.learning.studio import Studio

FAMILIES = ("SD 1", "SD 2", "SDXL")


@pytest.fixture(scope="module")
def moves(tiny_families: dict[str, CheckpointInfo]) -> dict[str, dict[str, list[Moves]]]:
    """For each family and preset, how far the rows of each of its encoders moved."""
    given = {"initialization_text": "cat"}
    found: dict[str, dict[str, list[Moves]]] = {}
    for family in FAMILIES:
        studio = Studio(tiny_families[family].path)
        found[family] = {
            name: list(first_steps(studio, filled(name, given, PUBLISHED[family])).values())
            for name in ("object", "style", "character", "thorough")
        }
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of a diffusers scheduler
def test_the_first_twenty_steps_move_rows_by_equal_and_sensible_shares_in_every_family(
    moves: dict[str, dict[str, list[Moves]]],
) -> None:
    for family in FAMILIES:
        for name, encoders in moves[family].items():
            values = PUBLISHED[family][name].values
            rate = float(values["learning_rate"])
            for encoder in encoders:
                assert len(encoder.steps) == 20
                if "norm_pull" not in values:  # which moves a row too, and goes with a warm-up here
                    assert encoder.steps[0] == pytest.approx(rate, rel=0.35), (family, name)
                assert max(encoder.steps) < 0.4, (family, name)
                # A step of Adam is shorter where gradients change their minds, and never much longer.
                assert median(encoder.steps) < 1.2 * rate
    turned = [encoder.whole for family in FAMILIES for encoder in moves[family]["object"]]
    assert max(turned) < 0.2
    assert min(turned) > 0.02


def test_the_tool_prints_a_line_for_each_encoder(
    tiny_families: dict[str, CheckpointInfo], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(root / "tools" / "first_steps.py"))["main"]
    assert main(["--ckpt", str(tiny_families["SDXL"].path), "--presets", "object", "--steps", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in lines[-2:]] == [["| object", "clip_l"], ["| object", "clip_g"]]
    assert "| object | clip_l | 0.010 | 0.010 |" in lines[-2]
