"""`modules.shared.cmd_opts`: the server's flags under A1111's names."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ti_studio.folders import repository_root
from ti_studio.server_options import ServerOptions

NOT_HERE: dict[str, Any] = {
    **dict.fromkeys(("share", "nowebui", "lowvram", "medvram", "no_half", "no_half_vae", "freeze_settings"), False),
    **dict.fromkeys(("hide_ui_dir_config", "allow_code", "ngrok", "theme", "subpath", "server_name"), None),
    **dict.fromkeys(("tls_keyfile", "tls_certfile", "cors_allow_origins", "device_id"), None),
}
"""Flags of A1111 that extensions ask for and the studio has not, as they are when they are not given."""


def command_line_options(server: ServerOptions) -> argparse.Namespace:
    """Returns the flags; paths and accounts as text, and the folders also where they are not given, as in A1111."""
    data = (server.data_dir or repository_root()).absolute()
    folders = {
        "data_dir": data,
        "embeddings_dir": server.embeddings_dir or data / "embeddings",
        "textual_inversion_templates_dir": data / "textual_inversion_templates",
    }
    given = {field.name: getattr(server, field.name) for field in fields(server) if field.name != "extension_flags"}
    values = {**NOT_HERE, **given, **folders}
    namespace = argparse.Namespace(**{name: _plain(value) for name, value in values.items()})
    for name in ("gradio_auth", "api_auth"):
        setattr(namespace, name, ",".join(f"{user}:{password}" for user, password in getattr(server, name)) or None)
    return namespace


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
