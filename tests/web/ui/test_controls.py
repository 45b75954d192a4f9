"""The building blocks of the Train form's table."""

import asyncio

import gradio as gr
import pytest
from gradio.components import Component

from ti_studio.web.ui.controls import Container, Control, Part, build_all, group, number, row
from ti_studio.web.ui.train_controls import ADVANCED, SETTINGS, TEMPLATE, WORD


def table_fields(*parts: Part) -> list[str]:
    """Returns the fields of all controls of a table, in order."""
    fields: list[str] = []
    for part in parts:
        if isinstance(part, Control):
            fields.append(part.field)
        elif isinstance(part, Container):
            fields += table_fields(*part.parts)
    return fields


def on_a_page(*parts: Part) -> dict[str, Component]:
    """Builds parts on a page of their own and returns their controls."""

    async def build() -> dict[str, Component]:
        with gr.Blocks():
            return build_all(*parts)

    # Outside a running event loop Gradio makes one of its own and never closes it.
    return asyncio.run(build())


def test_every_entry_of_the_table_becomes_a_control_under_its_field() -> None:
    table = (WORD, TEMPLATE, *SETTINGS, *ADVANCED)
    controls = on_a_page(*table)
    assert list(controls) == table_fields(*table)


def test_a_control_takes_its_value_its_id_and_its_choices_from_the_field() -> None:
    controls = on_a_page(
        row(Control(number, "batch_size", "Batch size"), Control(number, "ema_decay", "EMA decay")),
        Control(gr.Radio, "save_as", "File format", elem_id="ti_other"),
    )
    batch_size, ema_decay, save_as = (controls[name].get_config() for name in ("batch_size", "ema_decay", "save_as"))
    assert (batch_size["value"], batch_size["precision"], batch_size["elem_id"]) == (4, 0, "ti_batch_size")
    assert ema_decay["precision"] is None
    assert [value for _, value in save_as["choices"]] == ["safetensors", "pt"]
    assert (save_as["value"], save_as["elem_id"]) == ("safetensors", "ti_other")


def test_two_controls_for_one_field_are_refused() -> None:
    seed = Control(number, "seed", "Seed")
    with pytest.raises(TypeError, match=r"\['seed'\] have two controls; expected one for each field"):
        on_a_page(group(seed), row(seed))
