"""What is asked of the WebUI that the studio is in, where nothing but its modules matters."""

import contextlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ti_studio_bridge.supported import refusal
from ti_studio_bridge.webui import HostWebUI

Modules = dict[str, ModuleType]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Modules:
    """A WebUI's modules that the bridge imports; what is put in under a name is imported by it."""

    class Registry(dict[str, ModuleType]):
        def __setitem__(self, name: str, module: Any) -> None:
            monkeypatch.setitem(sys.modules, name, module)

    made = Registry()
    made["modules"] = ModuleType("modules")
    made["modules.call_queue"] = SimpleNamespace(queue_lock=contextlib.nullcontext())
    return made


def loaded_model(modules: Modules, model: object) -> None:
    modules["modules.sd_models"] = SimpleNamespace(model_data=SimpleNamespace(sd_model=model))  # type: ignore[assignment]


def database(reads: list[dict[str, Any]]) -> Any:
    """An embedding database that notes how it was read."""
    return SimpleNamespace(load_textual_inversion_embeddings=lambda **how: reads.append(how))


def test_forge_without_a_model_has_no_embeddings_to_read_again(modules: Modules) -> None:
    # What A1111 keeps them in can't even be imported there.
    modules["backend.memory_management"] = SimpleNamespace()  # type: ignore[assignment]
    loaded_model(modules, object())

    HostWebUI().reload_embeddings()


def test_forge_reads_them_again_for_each_text_encoder(modules: Modules) -> None:
    reads: list[dict[str, Any]] = []
    engine = SimpleNamespace(embeddings=database(reads))
    modules["backend.memory_management"] = SimpleNamespace()  # type: ignore[assignment]
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
