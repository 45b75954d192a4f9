"""The server's command-line flags, in A1111's spelling.

Standard library only: `launch.py` reads them before anything is installed.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 7860
PROMPT_CHARACTERS = 10_000
PROMPT_CHUNKS = 64
UPLOAD_GIGABYTES = 4
NO_CPU_KERNELS = "TI_STUDIO_NO_CPU_KERNELS"
"""The variable of the environment that switches the kernels of `models.cpu` off."""


@dataclass(frozen=True)
class ServerOptions:
    """What `launch.py` and `python -m ti_studio serve` can be told."""

    port: int = DEFAULT_PORT
    listen: bool = False
    embeddings_dir: Path | None = None
    ckpt_dir: Path | None = None
    ckpt: Path | None = None
    data_dir: Path | None = None
    no_browser: bool = False
    gradio_auth: tuple[tuple[str, str], ...] = ()
    api_auth: tuple[tuple[str, str], ...] = ()
    dataset_root: Path | None = None
    max_prompt_characters: int = PROMPT_CHARACTERS
    max_prompt_chunks: int = PROMPT_CHUNKS
    upload_quota: int = UPLOAD_GIGABYTES
    disable_all_extensions: bool = False
    disable_extra_extensions: bool = False
    enable_insecure_extension_access: bool = False
    skip_install: bool = False
    extension_flags: tuple[str, ...] = ()
    """What no flag of the server is: extensions' `preload.py` may know it."""

    @classmethod
    def from_namespace(cls, namespace: argparse.Namespace) -> "ServerOptions":
        """Returns the options that a parser with `add_server_options` has read."""
        return cls(**{name: getattr(namespace, name) for name in cls.__dataclass_fields__})

    @property
    def host(self) -> str:
        """The address to serve on: this machine only, unless `--listen` was given."""
        return "0.0.0.0" if self.listen else "127.0.0.1"


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Adds the server's flags to `parser`; `ServerOptions.from_namespace` reads what they were given."""
    server = parser.add_argument_group("server")
    server.add_argument("--port", type=port, default=DEFAULT_PORT, metavar="N", help="default: %(default)s")
    server.add_argument(
        "--listen",
        action="store_true",
        help="serve to the whole network, not to this machine only; set --gradio-auth and --dataset-root with it",
    )
    server.add_argument(
        "--gradio-auth",
        type=accounts,
        default=(),
        metavar="USER:PASSWORD[,...]",
        help="ask for a login; several accounts are separated by commas",
    )
    server.add_argument("--api", action="store_true", help="accepted for A1111's sake: REST is always there")
    server.add_argument(
        "--api-auth",
        type=accounts,
        default=(),
        metavar="USER:PASSWORD[,...]",
        help="accounts for programs, by HTTP Basic: REST takes them beside those of --gradio-auth. Alone it guards "
        "/sdapi/ only; give --gradio-auth too, for the page",
    )
    server.add_argument("--no-browser", action="store_true", help="do not open the page in the browser at start")
    add_kernels_option(parser)

    folders = parser.add_argument_group("folders", "each is made where it is missing, and may lie anywhere")
    folders.add_argument(
        "--data-dir", type=folder, metavar="DIR", help="holds embeddings, models and outputs (default: the repository)"
    )
    folders.add_argument(
        "--embeddings-dir", type=folder, metavar="DIR", help="embeddings, read and written (default: DATA/embeddings)"
    )
    folders.add_argument(
        "--ckpt-dir", type=folder, metavar="DIR", help="checkpoints (default: DATA/models/Stable-diffusion)"
    )
    folders.add_argument(
        "--dataset-root",
        type=existing_folder,
        metavar="DIR",
        help="only folders in here may be trained on (default: any folder; with --listen only OUTPUTS/datasets)",
    )
    folders.add_argument(
        "--ckpt", type=existing_path, metavar="PATH", help="the checkpoint to start with (default: the demo checkpoint)"
    )

    _add_limits(parser)
    _add_extensions(parser)


def add_kernels_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--no-cpu-kernels` to a command that loads a checkpoint; `apply_kernels_option` obeys it."""
    parser.add_argument(
        "--no-cpu-kernels",
        action="store_true",
        help="compute with diffusers' own layers on a CPU, slower, for a comparison or where a kernel fails",
    )


def apply_kernels_option(namespace: argparse.Namespace) -> None:
    """Puts `--no-cpu-kernels` into the environment, where the processes of trainings find it too."""
    if getattr(namespace, "no_cpu_kernels", False):
        os.environ[NO_CPU_KERNELS] = "1"


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits", "of what anybody may ask the server for")
    limits.add_argument(
        "--max-prompt-characters",
        type=positive,
        default=PROMPT_CHARACTERS,
        metavar="N",
        help="of a prompt (default: %(default)s)",
    )
    limits.add_argument(
        "--max-prompt-chunks",
        type=positive,
        default=PROMPT_CHUNKS,
        metavar="N",
        help="of 75 tokens, that a prompt may have at any step (default: %(default)s)",
    )
    limits.add_argument(
        "--upload-quota",
        type=positive,
        default=UPLOAD_GIGABYTES,
        metavar="GB",
        help="how much of what the page has uploaded may lie on the disk; it goes after a day (default: %(default)s)",
    )


def _add_extensions(parser: argparse.ArgumentParser) -> None:
    extensions = parser.add_argument_group(
        "extensions", "folders in DATA/extensions, which are code; their own flags stand behind these"
    )
    extensions.set_defaults(extension_flags=())
    for flag, meaning in (
        ("--disable-all-extensions", "load none"),
        ("--disable-extra-extensions", "load none: the studio has no built-in ones"),
        ("--enable-insecure-extension-access", "let the page change and install extensions with --listen too"),
        ("--skip-install", "do not run the extensions' install.py"),
    ):
        extensions.add_argument(flag, action="store_true", help=meaning)


def port(text: str) -> int:
    """Reads a TCP port."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):  # noqa: PLR2004 - the last TCP port
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected a whole number from 1 to 65535")
    return int(text)


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):  # noqa: PLR2004 - fits anywhere
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def accounts(text: str) -> tuple[tuple[str, str], ...]:
    """Reads `user:password[,user:password]`; a password may contain a colon, not a comma."""
    pairs = [account.strip().partition(":") for account in text.split(",")]
    for number, (user, _, password) in enumerate(pairs, start=1):
        if not user or not password:
            # The text itself is not shown: it may hold a password, and terminals are shared and logged.
            raise argparse.ArgumentTypeError(f"account {number} of {len(pairs)} is not of the form USER:PASSWORD")
    users = [user for user, _, _ in pairs]
    if repeated := {user for user in users if users.count(user) > 1}:
        raise argparse.ArgumentTypeError(f"the same user is given more than once: {', '.join(sorted(repeated))}")
    return tuple((user, password) for user, _, password in pairs)


def folder(text: str) -> Path:
    """Reads a folder that exists or can be made; makes nothing yet."""
    path = _path(text)
    nearest = next((place for place in (path, *path.parents) if place.exists()), None)
    if nearest is None:
        raise argparse.ArgumentTypeError(f"{path} can't be made: there is no drive {path.anchor}")
    if not nearest.is_dir():
        raise argparse.ArgumentTypeError(f"{path} can't be a folder: {nearest} is a file")
    if nearest != path and not os.access(nearest, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} can't be made: {nearest} is not yours to write to")
    return path


def existing_folder(text: str) -> Path:
    """Reads a folder that must be there already."""
    path = _path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is {'a file' if path.exists() else 'missing'}; expected a folder")
    return path


def existing_path(text: str) -> Path:
    """Reads a file or folder that must be there already."""
    path = _path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{path} is missing; expected a checkpoint file or a diffusers folder")
    return path


def _path(text: str) -> Path:
    """Returns the absolute path that a shell user means by `text`."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text).expanduser().absolute()
