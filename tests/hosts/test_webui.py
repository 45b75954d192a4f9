"""What is asked of the WebUI that the studio is in, where nothing but its modules matters."""

import contextlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from ti_studio_bridge.supported import refusal
from ti_studio_bridge.webui import HostWebUI, _is_open_to_others

Modules = dict[str, ModuleType]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Modules:
    """A WebUI's modules that the bridge imports; what is put in under a name is imported by it."""

    class Registry(dict[str, ModuleType]):
        def __setitem__(self, name: str, module: Any) -> None:
            monkeypatch.setitem(sys.modules, name, module)

    made = Registry()
    made["modules"] = ModuleType("modules")
    made["modules.call_queue"] = SimpleNamespace(queue_lock=contextlib.nullcontext())  # type: ignore[assignment]
    made["modules.shared"] = SimpleNamespace(demo=None)  # type: ignore[assignment]
    return made


def loaded_model(modules: Modules, model: object) -> None:
    modules["modules.sd_models"] = SimpleNamespace(model_data=SimpleNamespace(sd_model=model))  # type: ignore[assignment]


def database(reads: list[dict[str, Any]]) -> Any:
    """An embedding database that notes how it was read."""
    return SimpleNamespace(load_textual_inversion_embeddings=lambda **how: reads.append(how))


def flags(**given: object) -> Any:
    """A WebUI's flags, as far as they say who reaches it."""
    return SimpleNamespace(**{"listen": False, "share": False, "ngrok": None, "server_name": None, **given})


def test_forge_without_a_model_has_no_embeddings_to_read_again(modules: Modules) -> None:
    modules["modules.sd_hijack"] = SimpleNamespace(model_hijack=object())  # type: ignore[assignment]
    loaded_model(modules, object())

    HostWebUI().reload_embeddings()


def test_forge_reads_them_again_for_each_text_encoder(modules: Modules) -> None:
    reads: list[dict[str, Any]] = []
    engine = SimpleNamespace(embeddings=database(reads))
    loaded_model(modules, SimpleNamespace(text_processing_engine_l=engine, text_processing_engine_g=engine))

    HostWebUI().reload_embeddings()
    assert reads == [{}, {}]


def test_a1111_reads_them_again_although_no_folders_time_has_changed(modules: Modules) -> None:
    reads: list[dict[str, Any]] = []
    hijack = SimpleNamespace(model_hijack=SimpleNamespace(embedding_db=database(reads)))
    modules["modules.sd_hijack"] = hijack  # type: ignore[assignment]
    loaded_model(modules, object())

    HostWebUI().reload_embeddings()
    assert reads == [{"force_reload": True}]

    loaded_model(modules, None)
    HostWebUI().reload_embeddings()
    assert len(reads) == 1


def test_sd_next_is_told_from_the_others_by_its_functions(modules: Modules) -> None:
    def as_in_a1111(sd_model: object = None, info: object = None) -> None: ...

    def as_in_sd_next(op: str = "model") -> None: ...

    modules["modules.sd_models"] = SimpleNamespace(unload_model_weights=as_in_a1111)  # type: ignore[assignment]
    assert refusal(Path("studio")) == ""
    modules["modules.sd_models"] = SimpleNamespace(unload_model_weights=as_in_sd_next)  # type: ignore[assignment]
    assert "does not run inside SD.Next yet" in refusal(Path("studio"))
    assert refusal(Path("studio")).endswith("in studio.")


def test_the_last_prompts_encoding_is_forgotten_wherever_it_is_kept_and_while_no_picture_is_made(
    modules: Modules,
) -> None:
    class Queue:
        is_held = False

        def __enter__(self) -> None:
            self.is_held = True

        def __exit__(self, *_: object) -> None:
            self.is_held = False

    queue = Queue()
    held: list[bool] = []

    class Noting(type):
        def __setattr__(cls, name: str, value: object) -> None:
            held.append(queue.is_held)
            super().__setattr__(name, value)

    class StableDiffusionProcessing(metaclass=Noting):
        cached_c: ClassVar[list[object]] = ["the prompt", "its encoding", {"TI hashes": "…"}]
        cached_uc: ClassVar[list[object]] = ["the negative prompt", "its encoding"]

    class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
        cached_hr_c: ClassVar[list[object]] = ["the prompt", "its encoding"]
        cached_hr_uc: ClassVar[list[object]] = ["the negative prompt", "its encoding"]

    class AnExtensions(StableDiffusionProcessingTxt2Img):
        cached_c: ClassVar[list[object]] = ["another prompt", "its encoding"]

    modules["modules.call_queue"] = SimpleNamespace(queue_lock=queue)  # type: ignore[assignment]
    modules["modules.processing"] = SimpleNamespace(  # type: ignore[assignment]
        StableDiffusionProcessing=StableDiffusionProcessing
    )
    loaded_model(modules, None)  # the encoding outlives a model that is unloaded and loaded again

    HostWebUI().reload_embeddings()
    assert StableDiffusionProcessing.cached_c == [None, None, None]
    assert StableDiffusionProcessing.cached_uc == [None, None]
    assert StableDiffusionProcessingTxt2Img.cached_hr_c == [None, None]
    assert StableDiffusionProcessingTxt2Img.cached_hr_uc == [None, None]
    assert AnExtensions.cached_c == [None, None]
    assert held == [True] * 5


def test_databases_that_only_lists_are_made_of_are_read_again_without_asking_the_model(modules: Modules) -> None:
    of_rest: list[dict[str, Any]] = []
    of_cards: list[dict[str, Any]] = []

    class Api:
        embedding_db = database(of_rest)

        def refresh_embeddings(self) -> None:
            raise AssertionError("it would wait for the queue that is held")

    routes = [
        SimpleNamespace(path="/sdapi/v1/refresh-embeddings", endpoint=Api().refresh_embeddings),
        SimpleNamespace(path="/file"),
    ]
    page = SimpleNamespace(server_app=SimpleNamespace(routes=routes))
    modules["modules.shared"] = SimpleNamespace(demo=page)  # type: ignore[assignment]
    modules["modules.ui_extra_networks_textual_inversion"] = SimpleNamespace(  # type: ignore[assignment]
        embedding_db=database(of_cards)
    )
    loaded_model(modules, object())

    HostWebUI().reload_embeddings()
    assert of_rest == of_cards == [{"force_reload": True, "sync_with_sd_model": False}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"listen": True}, True),
        ({"share": True}, True),
        ({"ngrok": "token"}, True),
        ({"server_name": "0.0.0.0"}, True),
        ({"server_name": "192.168.1.7"}, True),
        ({"server_name": "pictures.example"}, True),
        ({"server_name": "127.0.0.1"}, False),
        ({"server_name": "127.8.8.8"}, False),
        ({"server_name": "localhost"}, False),
        ({"server_name": "[::1]"}, False),
        ({"server_name": "127.0.0.1", "share": True}, True),
        ({"server_name": "127.0.0.1", "listen": True}, False),
    ],
)
def test_others_reach_a_webui_by_a_tunnel_or_by_an_address_that_is_not_loopback(
    given: dict[str, object], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)

    assert _is_open_to_others(flags(**given)) is expected


def test_an_address_that_gradio_takes_from_the_environment_counts_where_no_flag_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")

    assert _is_open_to_others(flags())
    assert not _is_open_to_others(flags(server_name="localhost"))


def test_a1111_frees_memory_only_where_the_model_is_on_a_device_and_says_so(modules: Modules) -> None:
    class Model:
        device = "cuda"

        def parameters(self) -> list[Any]:
            return [SimpleNamespace(device=SimpleNamespace(type=self.device))]

    def unload(model: Model) -> None:
        model.device = "cpu"

    def give_back(model: Model) -> None:
        assert model.device == "cpu"
        model.device = "cuda"

    model = Model()
    modules["modules.sd_models"] = SimpleNamespace(  # type: ignore[assignment]
        model_data=SimpleNamespace(sd_model=model), unload_model_weights=unload, send_model_to_device=give_back
    )
    HostWebUI().give_memory_back()
    assert HostWebUI().free_memory()
    assert not HostWebUI().free_memory()
    HostWebUI().give_memory_back()  # another one than had put it away, as after "Reload UI"
    assert model.device == "cuda"

    loaded_model(modules, None)
    assert not HostWebUI().free_memory()


def test_forge_frees_memory_only_where_a_model_is_loaded_and_says_so(modules: Modules) -> None:
    loaded: list[str] = []
    modules["backend.memory_management"] = SimpleNamespace(  # type: ignore[assignment]
        current_loaded_models=loaded, unload_all_models=loaded.clear
    )
    loaded_model(modules, object())
    assert not HostWebUI().free_memory()

    loaded.append("the UNet")
    assert HostWebUI().free_memory()
    assert loaded == []
