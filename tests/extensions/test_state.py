"""What extensions know of a painting, and what they may do to its pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.extensions.conftest import Host
from ti_studio.embeddings.library.library import Library
from ti_studio.extensions.host import ExtensionHost
from ti_studio.folders import Folders
from ti_studio.generation.events import DenoisingProgress, Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.service import Txt2ImgService

Write = Callable[[str, str], Path]


def service_of(folders: Folders, host: ExtensionHost) -> Txt2ImgService:
    service = Txt2ImgService(folders, Library(folders.embeddings), watcher=host.watcher)
    host.state.attach(service)
    return service


def pictures_of(service: Txt2ImgService, **settings: object) -> list[Picture]:
    request = GenerateRequest(**{"prompt": "a cat", "steps": 2, "seed": 1, **settings})  # type: ignore[arg-type]
    return [event for event in service.generate(request) if isinstance(event, Picture)]


def test_an_extension_changes_pictures_and_texts_before_they_are_saved(
    folders: Folders, add_samples: Callable[..., None], host: Host
) -> None:
    add_samples("framer", "greeter")
    loaded = host()
    service = service_of(folders, loaded)
    with loaded.loaded():
        loaded.callbacks.call("ui_settings")
        (plain,) = pictures_of(service)
        loaded.options.apply({"framer_width": 5, "framer_colour": "blue"})
        (framed,) = pictures_of(service)

    assert plain.path is not None and framed.path is not None
    with Image.open(plain.path) as before, Image.open(framed.path) as after:
        assert after.size == (before.width + 10, before.height + 10)
        assert after.getpixel((0, 0)) == (0, 0, 255)
        assert after.info["frame"] == "5 blue while txt2img"
        assert after.info["parameters"] == before.info["parameters"] == framed.infotext
    assert framed.image.size == after.size


def test_an_extension_is_told_of_every_file_and_of_what_was_asked_for(
    folders: Folders, write: Write, host: Host
) -> None:
    write(
        "one/scripts/a.py",
        "from modules import script_callbacks, shared\nfrom pathlib import Path\n"
        "shared.opts.add_option('seen', shared.OptionInfo([]))\n"
        "def saved(params):\n    p = params.p\n    assert Path(params.filename).is_file()\n"
        "    shared.opts.seen.append([p.prompt, p.seed, p.steps, params.image.size, shared.state.job_no])\n"
        "script_callbacks.on_image_saved(saved)\n",
    )
    with (loaded := host()).loaded():
        pictures_of(service_of(folders, loaded), count=2)

    assert loaded.boundary.failed == []
    assert loaded.options.seen == [["a cat", 1, 2, (32, 32), 1], ["a cat", 2, 2, (32, 32), 2]]


@pytest.mark.parametrize(
    "body", ["1 / 0", "params.image = 'no picture'", "params.pnginfo = None", "params.pnginfo['\u65e5'] = params.p"]
)
def test_an_extension_that_spoils_it_leaves_the_picture_as_it_was(
    folders: Folders, write: Write, host: Host, body: str
) -> None:
    write(
        "one/scripts/a.py",
        f"from modules import script_callbacks\ndef f(params):\n    {body}\n"
        "script_callbacks.on_before_image_saved(f)\n",
    )
    with (loaded := host()).loaded():
        (picture,) = pictures_of(service_of(folders, loaded))

    assert picture.path is not None
    with Image.open(picture.path) as image:
        assert (image.size, image.info["parameters"], set(image.info)) == ((32, 32), picture.infotext, {"parameters"})


def test_the_state_is_live_and_interrupts(folders: Folders, host: Host) -> None:
    loaded = host()
    state, service = loaded.state, service_of(folders, loaded)
    seen = []
    state.interrupt()
    for event in service.generate(GenerateRequest(prompt="a cat", steps=3, seed=1, count=3)):
        if isinstance(event, DenoisingProgress):
            seen.append((state.job, state.sampling_step, state.sampling_steps, state.job_count, state.interrupted))
            state.interrupted = True
            assert state.interrupted

    assert seen == [("txt2img", 1, 3, 3, False)]
    assert (state.job, state.interrupted, state.dict()["job_count"]) == ("", False, 0)
    assert len(pictures_of(service)) == 1


def test_a_job_of_an_extensions_own_is_interrupted_too(host: Host) -> None:
    state = host().state
    state.begin("upscaling")
    state.job_count = 2
    state.nextjob()
    assert (state.job, state.job_no, state.job_count, state.interrupted) == ("upscaling", 1, 2, False)
    state.interrupt()
    assert state.interrupted
    state.end()
    assert state.job == ""
    with pytest.raises(AttributeError, match="state has no 'nothing'"):
        _ = state.nothing
