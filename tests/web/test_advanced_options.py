"""The Train tab's advanced section."""

from tests.web.conftest import Client
from ti_studio.training.options import LearningOptions
from ti_studio.training.request import TrainRequest
from ti_studio.web.advanced_options import unshown_options

SHOWN = {"optimizer", "optimizer_args", "parametrization", "norm_limit", "ema_decay", "validation_every", "keep_best"}


def test_the_page_has_the_section_and_its_controls(client: Client) -> None:
    page = client().get("/").text

    for name in {
        "advanced",
        "min_snr_gamma",
        "context_weight",
        "lr_scheduler",
        "precision",
        "gradient_checkpointing",
        "more_words",
        *SHOWN,
    }:
        assert f'"ti_{name}"' in page, name


def test_what_the_page_does_not_show_is_plain_textual_inversion() -> None:
    hidden = unshown_options(dict.fromkeys(SHOWN))  # type: ignore[arg-type]

    assert not SHOWN & set(hidden)
    assert SHOWN | set(hidden) == set(TrainRequest.model_fields)
    learning = {name: value for name, value in hidden.items() if name in LearningOptions.model_fields}
    assert LearningOptions(**learning) == LearningOptions()
