"""A1111, Forge and reForge, as far as the studio needs them. Their modules are asked for when they are needed: what is
there differs between them, and changes with their versions.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ti_studio_bridge.plan import Plan

MEMORY_MANAGERS = ("backend.memory_management", "ldm_patched.modules.model_management")
"""Forge's and reForge's; where one is loaded, its models are moved by it alone."""
FORGE = MEMORY_MANAGERS[0]
"""Loaded in Forge alone, whose embeddings are the loaded model's own."""
FORGE_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
SECTION = ("ti_studio", "Textual Inversion Studio")


class HostWebUI:
    """The WebUI whose process this is."""

    def __init__(self) -> None:
        """Looks at nothing yet."""
        self._took_memory = False

    def plan(self, folder: Path) -> Plan:
        """Returns how the studio is to be started here: the WebUI's folders and flags, the user's settings."""
        shared = import_module("modules.shared")
        flags, settings = shared.cmd_opts, shared.opts
        open_to_others = (getattr(flags, name, None) for name in ("listen", "share", "server_name", "ngrok"))
        return Plan(
            folder=folder,
            embeddings=Path(flags.embeddings_dir).absolute(),
            checkpoints=self._checkpoint_folder(flags),
            environment=str(settings.ti_studio_environment).strip(),
            port=int(settings.ti_studio_port or 0),
            subpath=str(getattr(flags, "subpath", None) or "").strip("/"),
            network=any(open_to_others),
        )

    def checkpoints(self) -> dict[str, Any]:
        """Returns the WebUI's list, and the checkpoint that its next picture is made with. Loads none."""
        sd_models = import_module("modules.sd_models")
        files = [str(Path(info.filename).absolute()) for info in sd_models.checkpoints_list.values()]
        chosen = sd_models.select_checkpoint().filename if files else None
        return {"files": files, "chosen": chosen and str(Path(chosen).absolute())}

    def free_memory(self) -> None:
        """Puts the model out of the GPU's memory, after the picture that is being made."""
        sd_models = import_module("modules.sd_models")
        with import_module("modules.call_queue").queue_lock:
            # Not `shared.sd_model`: asking for that loads one.
            model = sd_models.model_data.sd_model
            managers = [sys.modules[name] for name in MEMORY_MANAGERS if name in sys.modules]
            for manager in managers:
                manager.unload_all_models()
            if not managers and model is not None:
                sd_models.unload_model_weights(model)
                self._took_memory = True

    def give_memory_back(self) -> None:
        """Puts the model back before a picture; A1111 itself would not. The caller holds the WebUI's queue."""
        if not self._took_memory:
            return
        self._took_memory = False
        sd_models = import_module("modules.sd_models")
        if sd_models.model_data.sd_model is not None:
            sd_models.send_model_to_device(sd_models.model_data.sd_model)

    def reload_embeddings(self) -> None:
        """Reads the embeddings folder again, after the picture that is being made."""
        with import_module("modules.call_queue").queue_lock:
            model = import_module("modules.sd_models").model_data.sd_model
            if model is None:  # they are read when one is loaded
                return
            for engine in (getattr(model, name) for name in FORGE_ENGINES if hasattr(model, name)):
                engine.embeddings.load_textual_inversion_embeddings()
            if FORGE not in sys.modules:
                hijack = import_module("modules.sd_hijack").model_hijack
                hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)

    def _checkpoint_folder(self, flags: Any) -> Path:
        chosen = getattr(flags, "ckpt_dir", None)
        return Path(chosen or import_module("modules.sd_models").model_path).absolute()


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
