"""The comparison of training steps, on a tiny checkpoint."""

import json
from pathlib import Path

import pytest

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from tools import benchmark_training
from tools.training_benchmark import variants
from tools.training_benchmark.exactness import difference
from tools.training_benchmark.variants import VARIANTS, Setting, Turn, run_variant, write_pictures


@pytest.fixture
def setting(tiny_checkpoint: CheckpointInfo, tmp_path: Path) -> Setting:
    write_pictures(tmp_path / "pictures", 32)
    (tmp_path / "job").mkdir()
    template = benchmark_training.TEMPLATE
    return Setting(tiny_checkpoint.path, tmp_path / "pictures", tmp_path / "job", template, 3, 2)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_loop_makes_its_steps(setting: Setting, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, attribute in ((variants.Model, "predict"), (variants.prompt_embeds, "encode_chunks")):
        monkeypatch.setattr(owner, attribute, getattr(owner, attribute))  # put back what the variant watches
    monkeypatch.setattr(variants.torch.autograd, "backward", variants.torch.autograd.backward)

    told = run_variant(VARIANTS[name], setting, began=0.0, turn=Turn())

    json.dumps(told)
    assert len(told["seconds"]) == len(told["cpu_seconds"]) == 2
    if name.startswith("ours"):
        assert 0 < told["overhead"] < 1 and told["state_bytes"] > 0


def test_our_gradient_is_the_plain_loops(setting: Setting) -> None:
    assert difference(setting, "fp32") < 1e-5


def test_loops_that_take_turns_make_their_steps_one_after_the_other(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["cached-fp32", "ours-fp32"]
    options = ["--checkpoint", str(setting.checkpoint), "--variants", ",".join(names), "--steps", "3", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["benchmark_training", *options, "--batch-size", "2", "--in-turns"])
    order: list[str] = []
    let = benchmark_training._let
    monkeypatch.setattr(benchmark_training, "_let", lambda process, name: (order.append(name), let(process, name)))

    benchmark_training.main()

    assert order == names * 3
    printed = capfd.readouterr().out
    assert all(f"| {name} |" in printed for name in names) and "Resume state" in printed
