"""`/sdapi/v1/txt2img`: A1111's body obeyed, refused or told, and A1111's answer."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.web.conftest import Client
from ti_studio.folders import Folders
from ti_studio.generation.request import GenerateRequest
from ti_studio.web.server.services import Services

SMALL = {"prompt": "a dog", "steps": 2, "seed": 7}
# What webuiapi, and clients like it, always send.
ALWAYS_SENT = {
    **{"enable_hr": False, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0, "hr_resize_x": 0},
    **{"hr_checkpoint_name": None, "hr_prompt": "", "denoising_strength": 0.7, "firstphase_width": 0, "styles": []},
    **{"subseed": -1, "subseed_strength": 0.0, "seed_resize_from_h": 0, "seed_resize_from_w": 0, "eta": 1.0},
    **{"s_churn": 0, "s_tmax": 0, "s_tmin": 0, "s_noise": 1, "script_name": None, "script_args": []},
    **{"alwayson_scripts": {}, "sampler_name": "Euler a", "sampler_index": "Euler a", "scheduler": "automatic"},
}


def painted(studio: TestClient, **body: Any) -> tuple[list[Image.Image], dict[str, Any]]:
    """The pictures and the info of a request that is answered."""
    answer = studio.post("/sdapi/v1/txt2img", json={**SMALL, **body})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return [Image.open(BytesIO(base64.b64decode(image))) for image in told["images"]], json.loads(told["info"])


def test_the_pictures_are_those_of_the_same_request_made_here(client: Client, services: Services) -> None:
    images, info = painted(client(), **ALWAYS_SENT, n_iter=2, batch_size=2, width=48, height=32, negative_prompt="mud")

    request = GenerateRequest(
        **{"prompt": "a dog", "negative_prompt": "mud", "steps": 2, "seed": 7, "count": 4, "width": 48, "height": 32},
        **{"sampler": "Euler a", "cfg_scale": 7.0},
    )
    expected = [event.image for event in services.txt2img.generate(request, save=False) if hasattr(event, "image")]
    assert [image.tobytes() for image in images] == [image.tobytes() for image in expected]
    assert (info["all_seeds"], info["width"], info["height"], info["batch_size"]) == ([7, 8, 9, 10], 48, 32, 2)
    assert (info["sampler_name"], info["notices"]) == ("Euler a", [])
    assert images[1].info["parameters"] == info["infotexts"][1]
    assert "Seed: 8" in info["infotexts"][1]


def test_pictures_are_kept_or_sent_only_when_that_is_asked_for(client: Client, folders: Folders) -> None:
    studio = client()
    kept = folders.outputs / "txt2img"
    painted(studio)
    painted(studio, save_images=True, do_not_save_samples=True)
    assert list(kept.rglob("*.png")) == []
    images, info = painted(studio, save_images=True, send_images=False)
    assert (images, len(info["infotexts"]), len(list(kept.rglob("*.png")))) == ([], 1, 1)


def test_overridden_settings_hold_for_one_request_unless_they_are_to_stay(client: Client) -> None:
    studio = client()
    override = {"CLIP_stop_at_last_layers": 2, "emphasis": "No norm", "samples_format": "png", "save_txt": True}
    _, info = painted(studio, override_settings=override)
    assert "Clip skip: 2" in info["infotexts"][0]
    assert "Emphasis: No norm" in info["infotexts"][0]
    assert info["notices"] == ["The option save_txt makes no difference here."]
    assert studio.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1
    painted(studio, override_settings=override, override_settings_restore_afterwards=False)
    assert studio.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    assert painted(studio)[1]["clip_skip"] == 2


def test_options_are_set_all_or_none(client: Client) -> None:
    studio = client()
    assert studio.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 3}).json() is None
    for wrong, status in (
        ({"emphasis": "Ignore", "sd_model_checkpoint": "missing"}, 404),
        ({"emphasis": "Ignore", "sd_vae": "other.safetensors"}, 422),
        ({"emphasis": "Ignore", "eta_ancestral": 0.5}, 422),
        ({"emphasis": "loud"}, 422),
    ):
        assert studio.post("/sdapi/v1/options", json=wrong).status_code == status, wrong
    options = studio.get("/sdapi/v1/options").json()
    assert (options["CLIP_stop_at_last_layers"], options["emphasis"]) == (3, "Original")
    assert studio.post("/sdapi/v1/options", json=options).status_code == 200
    assert studio.post("/sdapi/v1/options", json={"sd_model_checkpoint": "tiny [0123456789]"}).status_code == 200


def test_what_the_body_leaves_out_is_read_from_an_infotext(client: Client) -> None:
    studio = client()
    first, info = painted(studio, seed=11, width=48, sampler_name="DPM++ 2M", scheduler="Karras", cfg_scale=3.5)
    answer = studio.post("/sdapi/v1/txt2img", json={"infotext": info["infotexts"][0]}).json()
    assert Image.open(BytesIO(base64.b64decode(answer["images"][0]))).tobytes() == first[0].tobytes()
    _, other = painted(studio, infotext=info["infotexts"][0])
    assert (other["seed"], other["cfg_scale"]) == (7, 3.5)


def test_samplers_are_found_by_every_name_that_a1111_has_for_them(client: Client) -> None:
    studio = client()
    named = {
        ("Euler a", "automatic"): ("Euler a", "Uniform"),
        ("k_euler_a", None): ("Euler a", "Uniform"),
        ("DPM++ 2M Karras", None): ("DPM++ 2M", "Karras"),
        ("DPM++ 2M", None): ("DPM++ 2M", "Karras"),
        ("dpm++ 2m", "uniform"): ("DPM++ 2M", "Uniform"),
        (None, None): ("Euler", "Uniform"),
    }
    for (name, scheduler), (sampler, schedule) in named.items():
        _, info = painted(studio, sampler_name=name, scheduler=scheduler, eta=None)
        found = (info["sampler_name"], info["extra_generation_params"]["Schedule type"])
        assert found == (sampler, schedule), (name, scheduler)
    listed = {each["name"] for each in studio.get("/sdapi/v1/samplers").json()}
    assert {"Euler a", "DPM++ 2M"} <= listed
    assert {"automatic", "karras", "uniform"} <= {each["name"] for each in studio.get("/sdapi/v1/schedulers").json()}


REFUSED = (
    ({"sampler_name": "Nope"}, 400, "Sampler not found: 'Nope'. There are: "),
    ({"sampler_name": "Euler", "scheduler": "karras"}, 400, "'karras' is not here for the sampler Euler"),
    ({"enable_hr": True}, 422, "enable_hr can't be obeyed here"),
    ({"subseed_strength": 0.3}, 422, "subseed_strength can't be obeyed here"),
    ({"restore_faces": True}, 422, "restore_faces"),
    ({"styles": ["cinematic"]}, 422, "no prompt styles here; found cinematic"),
    ({"refiner_checkpoint": "xl"}, 422, "no refiner here"),
    ({"script_name": "X/Y/Z plot"}, 422, "Script 'X/Y/Z plot' not found"),
    ({"alwayson_scripts": {"ControlNet": {"args": []}}}, 422, "Always on script ControlNet not found"),
    ({"sampler_name": "DPM++ 2M SDE", "eta": 0.5}, 422, "eta of the sampler DPM++ 2M SDE is always 1 here; found 0.5"),
    ({"sampler_name": "DDIM", "eta": 1.5}, 422, "Eta: input should be less than or equal to 1; found 1.5"),
    ({"override_settings": {"sd_model_checkpoint": "missing"}}, 404, "There is no checkpoint 'missing'"),
    ({"n_iter": 9, "batch_size": 8}, 422, "are 72 pictures; expected 64 at most"),
    ({"width": 33}, 422, "Width: input should be a multiple of 8; found 33."),
    ({"steps": "many"}, 422, "Steps"),
)


def test_what_would_make_another_picture_is_refused_in_a1111s_shape(client: Client) -> None:
    studio = client()
    for wrong, status, said in REFUSED:
        answer = studio.post("/sdapi/v1/txt2img", json={**SMALL, **wrong})
        told = answer.json()
        assert (answer.status_code, said in told["detail"]) == (status, True), told
        assert set(told) == {"error", "detail", "body", "errors"}


def test_words_are_used_and_what_is_not_known_is_told(client: Client, add_embedding: Callable[..., Path]) -> None:
    add_embedding("zzzz1234", width=16)
    add_embedding("bigone", width=768)
    _, info = painted(client(), prompt="a zzzz1234, bigone", distilled_cfg_scale=3.5)
    assert info["extra_generation_params"]["TI hashes"].startswith("zzzz1234: ")
    assert info["notices"][0] == "distilled_cfg_scale is not known here and was not heeded."
    assert "bigone was not used" in info["notices"][1]


def test_eta_is_obeyed_and_told(client: Client) -> None:
    studio = client()
    (plain,), info = painted(studio, sampler_name="DDIM")
    assert "Eta DDIM" not in info["extra_generation_params"]
    (noisy,), info = painted(studio, sampler_name="DDIM", eta=1)
    assert info["extra_generation_params"]["Eta DDIM"] == "1"
    assert noisy.tobytes() != plain.tobytes()


def test_progress_tells_of_a_painting_and_a_skip_ends_one_batch(client: Client, services: Services) -> None:
    studio = client()
    request = GenerateRequest(prompt="a dog", steps=3, count=9, seed=1)
    seen: list[dict[str, Any]] = []
    pictures = 0
    for event in services.txt2img.generate(request, save=False):
        pictures += hasattr(event, "image")
        seen.append(studio.get("/sdapi/v1/progress").json())
        if pictures == 4 and seen[-1]["state"]["sampling_step"] == 4:
            assert studio.post("/sdapi/v1/skip").json() == {}
            assert studio.get("/sdapi/v1/progress").json()["state"]["skipped"] is True
    assert pictures == 5  # the second batch of four was left out
    assert {told["state"]["job_count"] for told in seen} == {9}
    assert [told["progress"] for told in seen] == sorted(told["progress"] for told in seen)
    assert (seen[0]["current_image"], seen[-1]["state"]["job_no"]) == (None, 5)
    assert Image.open(BytesIO(base64.b64decode(seen[-1]["current_image"]))).size == (32, 32)
    idle = studio.get("/sdapi/v1/progress").json()
    assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0, 0, None)


def test_an_interrupt_leaves_what_is_finished(client: Client, services: Services) -> None:
    studio = client()
    pictures = 0
    for event in services.txt2img.generate(GenerateRequest(prompt="a dog", steps=2, count=8), save=False):
        pictures += hasattr(event, "image")
        if pictures == 4:
            assert studio.post("/sdapi/v1/interrupt").json() == {}
    assert pictures == 4
    assert len(painted(studio)[0]) == 1


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_png_info_reads_what_a_picture_says(client: Client, prefix: str) -> None:
    studio = client()
    image = studio.post("/sdapi/v1/txt2img", json={**SMALL, "negative_prompt": "mud"}).json()["images"][0]
    told = studio.post("/sdapi/v1/png-info", json={"image": prefix + image}).json()
    assert told["info"].startswith("a dog\nNegative prompt: mud\nSteps: 2")
    fields = told["parameters"]
    assert (fields["Prompt"], fields["Negative prompt"], fields["Seed"]) == ("a dog", "mud", "7")


def test_png_info_refuses_what_is_no_picture(client: Client) -> None:
    studio = client()
    plain = BytesIO()
    Image.new("RGB", (4, 4)).save(plain, "PNG")
    told = studio.post("/sdapi/v1/png-info", json={"image": base64.b64encode(plain.getvalue()).decode()}).json()
    assert told == {"info": "", "items": {}, "parameters": {}}
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    for wrong in (
        "http://127.0.0.1/a.png",
        "%%%",
        *(base64.b64encode(bad).decode() for bad in (b"GIF89a", program)),
        "",
    ):
        assert studio.post("/sdapi/v1/png-info", json={"image": wrong}).status_code == 422, wrong
