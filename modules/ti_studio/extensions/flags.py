"""`modules.shared.cmd_opts`: the server's flags under A1111's names."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ti_studio.server_options import ServerOptions

NOT_HERE: dict[str, Any] = {
    **dict.fromkeys(("share", "nowebui", "lowvram", "medvram", "no_half", "no_half_vae", "freeze_settings"), False),
    **dict.fromkeys(("hide_ui_dir_config", "allow_code", "ngrok", "theme", "subpath", "server_name"), None),
    **dict.fromkeys(("tls_keyfile", "tls_certfile", "cors_allow_origins", "device_id"), None),
}
"""Flags of A1111 that extensions ask for and the studio has not, as they are when they are not given."""


def command_line_options(server: ServerOptions) -> argparse.Namespace:
    """Returns the flags; paths and accounts as text, as in A1111."""
    given = {field.name: getattr(server, field.name) for field in fields(server) if field.name != "extension_flags"}
    namespace = argparse.Namespace(**{**NOT_HERE, **{name: _plain(value) for name, value in given.items()}})
    for name in ("gradio_auth", "api_auth"):
        setattr(namespace, name, ",".join(f"{user}:{password}" for user, password in getattr(server, name)) or None)
    return namespace


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
