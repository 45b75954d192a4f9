"""The Train tab's controls, and the options without one."""

import pytest

from tests.web.conftest import Client
from ti_studio.errors import StudioError
from ti_studio.training.config.regularization import LearningOptions
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.ui.more_options import read_more_options
from ti_studio.web.ui.train_controls import options_without_control

SHOWN = {"optimizer", "optimizer_args", "parametrization", "norm_limit", "ema_decay", "validation_every", "keep_best"}


def test_the_page_has_the_advanced_section_and_its_controls(client: Client) -> None:
    page = client().get("/").text

    for name in {
        "advanced",
        "min_snr_gamma",
        "context_weight",
        "lr_scheduler",
        "precision",
        "gradient_checkpointing",
        "more_words",
        "more_options",
        *SHOWN,
    }:
        assert f'"ti_{name}"' in page, name


def test_options_without_a_control_default_to_plain_textual_inversion() -> None:
    hidden = options_without_control(dict.fromkeys(SHOWN))  # type: ignore[arg-type]

    assert not SHOWN & set(hidden)
    assert SHOWN | set(hidden) == set(TrainRequest.model_fields)
    learning = {name: value for name, value in hidden.items() if name in LearningOptions.model_fields}
    assert LearningOptions(**learning) == LearningOptions()


def test_options_without_a_control_can_be_set_under_more_options() -> None:
    unshown = options_without_control(dict.fromkeys(SHOWN))  # type: ignore[arg-type]
    text = """
        noise_offset = 0.05
        shuffle_caption = true
        lr_scheduler_args = []
        folders = [{directory = "cats", num_repeats = 3}, {directory = "rest", is_reg = true}]
    """

    request = TrainRequest(**{**unshown, "name": "word", **read_more_options(text, unshown)})

    assert (request.noise_offset, [folder.is_reg for folder in request.folders]) == (0.05, [False, True])
    assert all(folder.shuffle_caption for folder in request.folders)
    assert read_more_options("", unshown) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer = 'lion'", "optimizer has its own control on this page"),
        ("noise = 1", "noise is not a training option"),
        ("noise_offset", "More options is not TOML: "),
    ],
)
def test_more_options_names_the_line_that_it_refuses(text: str, message: str) -> None:
    with pytest.raises(StudioError, match=message):
        read_more_options(text, options_without_control(dict.fromkeys(SHOWN)))  # type: ignore[arg-type]
