"""Forms that are typed by the request that they fill."""

from typing import Any

import gradio as gr
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ti_studio.web.server.errors import shows_errors
from ti_studio.web.ui.form import Form, control_value


class Request(BaseModel):
    """The request that the form fills."""

    model_config = ConfigDict(extra="forbid")
    word: str
    steps: int = Field(ge=1)
    flip: bool


def test_values_are_read_by_name_whatever_the_order_of_the_controls() -> None:
    steps, word = gr.Number(), gr.Textbox()
    form = Form(Request, {"steps": steps, "word": word}, fixed={"flip": True})
    assert form.read({word: "cat", steps: 3}) == Request(word="cat", steps=3, flip=True)
    assert form.inputs == {steps, word}


def test_fixed_values_can_be_replaced_for_one_reading_and_values_of_controls_can_not() -> None:
    steps, word = gr.Number(), gr.Textbox()
    form = Form(Request, {"steps": steps, "word": word}, fixed={"flip": True})
    request = form.read({word: "cat", steps: 3}, {"flip": False, "steps": 9, "unknown": 1})
    assert request == Request(word="cat", steps=3, flip=False)


def test_a_tuple_of_texts_is_displayed_as_lines() -> None:
    assert [control_value(value) for value in (("a", "b"), (), "text", 3, None)] == ["a\nb", "", "text", 3, None]


@pytest.mark.parametrize(
    ("controls", "fixed", "named"),
    [
        (["word", "steps"], {}, "flip"),
        (["word", "steps", "flip", "extra"], {}, "extra"),
        (["word", "steps", "flip"], {"flip": True}, "flip"),
        (["word", "steps"], {"flip": True, "extra": 1}, "extra"),
    ],
)
def test_a_form_that_does_not_match_its_request_is_refused_when_it_is_built(
    controls: list[str], fixed: dict[str, Any], named: str
) -> None:
    with pytest.raises(TypeError, match=rf"Request and its form disagree on \['{named}'\]"):
        Form(Request, {name: gr.Textbox() for name in controls}, fixed=fixed)


def test_the_error_for_a_value_that_is_not_allowed_names_the_field_and_the_value() -> None:
    steps = gr.Number()
    form = Form(Request, {"steps": steps}, fixed={"flip": True, "word": "x"})
    with pytest.raises(ValidationError):
        form.read({steps: 0})
    with pytest.raises(gr.Error) as raised:
        shows_errors(form.read)({steps: 0})
    assert raised.value.message == "Steps: input should be greater than or equal to 1; found 0."
