"""What the documents say is there."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

from ti_studio.training.config.published_presets import PUBLISHED
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.sd_scripts.dataset_config import DATASET_KEYS, OWN_SUBSET_KEYS, SUBSET_KEYS
from ti_studio.training.sd_scripts.options import OPTIONS


def named(document: Path) -> set[str]:
    """Returns the words that stand as code in a document's sentences and tables."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"[-\w*]+", code)}


def test_training_md_speaks_of_every_field_of_a_request(root: Path) -> None:
    assert set(TrainRequest.model_fields) <= named(root / "docs" / "training.md")


def test_presets_md_has_the_published_values_of_every_family(root: Path) -> None:
    rows = {
        re.sub(r" +", " ", line) for line in (root / "docs" / "presets.md").read_text(encoding="utf-8").splitlines()
    }
    for family, presets in PUBLISHED.items():
        for name, preset in presets.items():
            made = TrainRequest(name="word", **preset.values)
            norm = "the vocabulary's" if made.parametrization == "direction" else "free"
            columns = (
                *(family, f"`{name}`", f"`{made.optimizer}`", f"{float(made.learning_rate):g}", f"{made.max_steps:,}"),
                *(str(made.batch_size), str(made.vectors_per_token), "drawn to it" if made.norm_pull else norm),
            )
            assert any(row.startswith(f"| {' | '.join(columns)} |") for row in rows), columns


def test_sd_scripts_md_speaks_of_every_option_and_key(root: Path) -> None:
    words = named(root / "docs" / "sd-scripts.md")
    families = [word for word in words if word.startswith("--") and "*" in word]

    def spoken(flag: str) -> bool:
        return flag in words or any(fnmatchcase(flag, family) for family in families)

    assert [option.flag for option in OPTIONS if not spoken(option.flag)] == []
    assert [key for key in (*SUBSET_KEYS, *OWN_SUBSET_KEYS, *DATASET_KEYS) if key not in words] == []


def test_every_test_that_features_md_names_is_there(root: Path) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in root.glob("tests/**/*.py"))
    there = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    features = (root / "docs" / "features.md").read_text(encoding="utf-8")
    rows = [line for line in features.splitlines() if line.startswith("| ") and not line.startswith("| feature")]

    assert len(rows) > 30
    for row in rows:
        tests = re.findall(r"`(test_\w+)`", row)
        assert tests, row
        assert set(tests) <= there, row
