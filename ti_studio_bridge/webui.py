"""A1111, Forge and reForge, as far as the studio needs them. Their modules are asked for when they are needed: what is
there differs between them, and changes with their versions.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ti_studio_bridge.plan import Plan

MEMORY_MANAGERS = ("backend.memory_management", "ldm_patched.modules.model_management")
"""Forge's and reForge's; where one is loaded, its models are moved by it alone."""
FORGE_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
"""What Forge's loaded model encodes prompts with; each knows the embeddings by itself."""
CONDITIONINGS = ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc")
"""Where all of them keep the last prompt's encoding: attributes of `StableDiffusionProcessing` and its subclasses."""
CARDS = "modules.ui_extra_networks_textual_inversion"
REFRESH = "/sdapi/v1/refresh-embeddings"
TUNNELS = ("share", "ngrok")
LOOPBACK = "127.0.0.1"
PUT_AWAY = "ti_studio_put_away"
"""Noted on A1111's model while it is out of the GPU's memory for a training."""
SECTION = ("ti_studio", "Textual Inversion Studio")


class HostWebUI:
    """The WebUI whose process this is. "Reload UI" makes another one, so that it keeps nothing itself."""

    def plan(self, folder: Path) -> Plan:
        """Returns how the studio is to be started here: the WebUI's folders and flags, the user's settings."""
        shared = import_module("modules.shared")
        flags, settings = shared.cmd_opts, shared.opts
        return Plan(
            folder=folder,
            embeddings=Path(flags.embeddings_dir).absolute(),
            checkpoints=self._checkpoint_folder(flags),
            environment=str(settings.ti_studio_environment).strip(),
            port=int(settings.ti_studio_port or 0),
            subpath=str(getattr(flags, "subpath", None) or "").strip("/"),
            network=_is_open_to_others(flags),
        )

    def checkpoints(self) -> dict[str, Any]:
        """Returns the WebUI's list, and the checkpoint that its next picture is made with. Loads none."""
        sd_models = import_module("modules.sd_models")
        files = [str(Path(info.filename).absolute()) for info in sd_models.checkpoints_list.values()]
        chosen = sd_models.select_checkpoint().filename if files else None
        return {"files": files, "chosen": chosen and str(Path(chosen).absolute())}

    def free_memory(self) -> bool:
        """Puts the model out of the GPU's memory, after the picture that is being made; tells whether it was there."""
        sd_models = import_module("modules.sd_models")
        with import_module("modules.call_queue").queue_lock:
            memory_modules = [sys.modules[name] for name in MEMORY_MANAGERS if name in sys.modules]
            freed = any(getattr(module, "current_loaded_models", True) for module in memory_modules)
            for module in memory_modules:
                module.unload_all_models()
            # Not `shared.sd_model`: asking for that loads one.
            model = sd_models.model_data.sd_model
            if not memory_modules and _is_on_a_device(model):
                sd_models.unload_model_weights(model)
                freed = True
                setattr(model, PUT_AWAY, True)
            return freed

    def give_memory_back(self) -> None:
        """Puts the model back before a picture; A1111 itself would not. The caller holds the WebUI's queue."""
        sd_models = import_module("modules.sd_models")
        model = sd_models.model_data.sd_model
        if getattr(model, PUT_AWAY, False):
            setattr(model, PUT_AWAY, False)
            sd_models.send_model_to_device(model)

    def reload_embeddings(self) -> None:
        """Reads the embeddings folder again, after the picture that is being made; the last prompt is encoded anew."""
        with import_module("modules.call_queue").queue_lock:
            _forget_conditionings()
            model = import_module("modules.sd_models").model_data.sd_model
            for engine in (getattr(model, name) for name in FORGE_ENGINES if hasattr(model, name)):
                engine.embeddings.load_textual_inversion_embeddings()
            hijack: Any = getattr(sys.modules.get("modules.sd_hijack"), "model_hijack", None)
            if model is not None and hasattr(hijack, "embedding_db"):  # else they are read when a model is loaded
                hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
            for database in _databases_of_lists():
                database.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)

    def _checkpoint_folder(self, flags: Any) -> Path:
        chosen = getattr(flags, "ckpt_dir", None)
        return Path(chosen or import_module("modules.sd_models").model_path).absolute()


def _is_open_to_others(flags: Any) -> bool:
    """Tells whether others than this machine reach the WebUI: by a tunnel, or by the address that it and Gradio take.

    A name that could mean anything is taken for an address of the network; no server is asked for it.
    """
    if any(getattr(flags, name, None) for name in TUNNELS):
        return True
    named = getattr(flags, "server_name", None) or ("0.0.0.0" if getattr(flags, "listen", False) else None)
    address = os.environ.get("GRADIO_SERVER_NAME", LOOPBACK) if named is None else str(named)
    if address.lower() == "localhost":
        return False
    try:
        return not ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return True


def _is_on_a_device(model: Any) -> bool:
    """Tells whether any part of A1111's model, a torch module, lies elsewhere than in the machine's own memory."""
    return model is not None and any(parameter.device.type != "cpu" for parameter in model.parameters())


def _forget_conditionings() -> None:
    """Has the WebUI encode the next prompt even if it was the last one too: it compares everything with the last time,
    but not what the embeddings hold. The caller holds the WebUI's queue.
    """
    processing = getattr(sys.modules.get("modules.processing"), "StableDiffusionProcessing", None)
    for kind in _with_subclasses(processing) if processing is not None else ():
        for name in CONDITIONINGS:
            kept = vars(kind).get(name)
            if kept is not None:
                setattr(kind, name, [None] * len(kept))


def _with_subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for more in type.__subclasses__(kind):
        yield from _with_subclasses(more)


def _databases_of_lists() -> list[Any]:
    """Returns the databases that only lists are made of, beside the loaded model's: Forge has one for its page of
    cards, and one for its REST where that is on."""
    server = getattr(import_module("modules.shared").demo, "server_app", None)
    asked = (route for route in getattr(server, "routes", ()) if getattr(route, "path", None) == REFRESH)
    owners: list[Any] = [sys.modules.get(CARDS), *(getattr(route.endpoint, "__self__", None) for route in asked)]
    return [owner.embedding_db for owner in owners if hasattr(owner, "embedding_db")]


def add_settings() -> None:
    """Adds the section to the WebUI's settings."""
    shared = import_module("modules.shared")
    gr = import_module("gradio")

    def option(default: Any, label: str, **more: Any) -> Any:
        return shared.OptionInfo(default, label, section=SECTION, **more)

    options = {
        "ti_studio_autostart": option(True, "Start the studio together with the WebUI").info(
            "otherwise its tab has a button"
        ),
        "ti_studio_completion": option(
            False, "Complete embeddings' names in the WebUI's prompt boxes"
        ).needs_reload_ui(),
        "ti_studio_port": option(
            0, "Port of the studio, on this machine only", component=gr.Number, component_args={"precision": 0}
        )
        .info("0: any free one; browsers never see it")
        .needs_reload_ui(),
        "ti_studio_environment": option("", "Folder of a Python environment that has the studio's packages")
        .info("empty: one of its own, in the extension's folder")
        .needs_reload_ui(),
    }
    for name, made in options.items():
        shared.opts.add_option(name, made)
