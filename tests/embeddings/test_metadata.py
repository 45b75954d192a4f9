import json
from datetime import datetime, timezone

import pytest

from ti_studio.embeddings.metadata import Provenance, header_metadata


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        trigger="blue-cat",
        family="SD 1",
        vectors_per_token=2,
        step=500,
        checkpoint="demo",
        resolution=(64, 48),
        date=datetime(2026, 11, 21, 12, 30, tzinfo=timezone.utc),
        initialization_text="cat",
        request='{"name": "blue-cat"}',
        dataset={"pictures": 5},
        versions={"ti_studio": "0.1.0"},
    )


def test_the_header_says_where_an_embedding_comes_from(provenance: Provenance) -> None:
    header = header_metadata(provenance)
    assert header["ti_studio.family"] == "SD 1"
    assert header["ti_studio.trigger"] == "blue-cat"
    assert header["ti_studio.step"] == "500"
    assert json.loads(header["ti_studio.dataset"]) == {"pictures": 5}
    assert header["modelspec.sai_model_spec"] == "1.0.0"
    assert header["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert header["modelspec.resolution"] == "64x48"
    assert header["modelspec.date"] == "2026-11-21T12:30:00+00:00"
    assert all(isinstance(value, str) for value in header.values())


def test_what_is_unknown_has_no_entry(provenance: Provenance) -> None:
    assert "ti_studio.checkpoint_sha256" not in header_metadata(provenance)
