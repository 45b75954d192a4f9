"""PyPI's `webuiapi`, written for A1111, against the real server with the demo checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.studio import Studio

webuiapi = pytest.importorskip("webuiapi", reason="webuiapi is in requirements-dev.txt")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server whose API wants an account."""
    studio = Studio(tmp_path_factory.mktemp("studio"), ("--api-auth", "bot:hush"))
    try:
        studio.start()
        yield studio
    finally:
        studio.end()


@pytest.fixture(scope="module")
def api(studio: Studio) -> Any:
    """The client, logged in."""
    return webuiapi.WebUIApi(port=studio.port, sampler="Euler a", steps=4, username="bot", password="hush")


def test_it_paints_and_reads_its_pictures(api: Any, studio: Studio) -> None:
    result = api.txt2img(prompt="a red circle", negative_prompt="blue", width=64, height=64, seed=3, batch_size=2)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    assert (result.info["all_seeds"], result.info["notices"]) == ([3, 4], [])
    assert result.parameters["prompt"] == "a red circle"
    assert api.png_info(result.image).info == result.info["infotexts"][0]
    again = api.txt2img(prompt="a red circle", negative_prompt="blue", width=64, height=64, seed=3, batch_size=2)
    assert [image.tobytes() for image in again.images] == [image.tobytes() for image in result.images]
    assert list(studio.data.glob("outputs/txt2img/**/*.png")) == []


def test_it_creates_a_word_and_uses_it(api: Any, studio: Studio) -> None:
    body = {"name": "zzzz1234", "num_vectors_per_token": 2, "overwrite_old": False, "init_text": "red"}
    assert (
        Path(api.custom_post("create/embedding", body, baseurl=True).info.rpartition(": ")[2]).parent
        == studio.embeddings
    )
    assert api.get_embeddings()["loaded"]["zzzz1234"]["vectors"] == 2
    result = api.txt2img(prompt="a zzzz1234 circle", width=64, height=64)
    assert result.info["extra_generation_params"]["TI hashes"].startswith("zzzz1234: ")


def test_it_sees_what_there_is(api: Any) -> None:
    assert api.util_get_model_names() == ["demo"]
    assert {"Euler a", "DPM++ 2M"} <= set(api.util_get_sampler_names())
    assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
    api.util_set_model("demo")
    assert api.util_get_current_model() == "demo"
    api.set_options({"CLIP_stop_at_last_layers": 2})
    assert api.get_options()["CLIP_stop_at_last_layers"] == 2
    api.refresh_checkpoints()
    api.util_wait_for_ready()
    assert (api.interrupt(), api.skip()) == ({}, {})
    assert api.get_memory()["ram"]["used"] > 0
    assert "hush" not in str(api.get_cmd_flags())
    lists = (api.get_loras, api.get_upscalers, api.get_hypernetworks, api.get_prompt_styles, api.get_sd_vae)
    assert [each() for each in lists] == [[]] * len(lists)


def test_it_is_told_what_can_not_be_done(api: Any, studio: Studio) -> None:
    with pytest.raises(RuntimeError, match=r"enable_hr can.*t be obeyed here"):
        api.txt2img(prompt="a red circle", enable_hr=True)
    with pytest.raises(RuntimeError, match="no img2img"):
        api.img2img(images=[])
    stranger = webuiapi.WebUIApi(port=studio.port)
    assert stranger.get_options()["detail"].startswith("Not logged in")
