"""The server's socket, and the limits that its flags set."""

import argparse
import asyncio
import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.checkpoints import write_tiny_checkpoint
from ti_studio.extensions.host import ExtensionHost
from ti_studio.folders import Folders
from ti_studio.generation.request import GenerateRequest
from ti_studio.jobs.queue import DiskFull
from ti_studio.models.checkpoint.checkpoints import NoCheckpoint
from ti_studio.prompts.limits import PromptLimits, PromptTooLong
from ti_studio.server_options import ServerOptions, add_server_options
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.app import build_services
from ti_studio.web.server.running import listen
from ti_studio.web.ui.datasets import save_pictures


def test_short_answers_are_sent_without_waiting_for_an_acknowledgement() -> None:
    async def has_no_delay(listener: socket.socket) -> bool:
        no_delay = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            no_delay.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            answer = await no_delay
            writer.close()
        return bool(answer)

    with closing(listen("127.0.0.1", 0, "")) as listener:
        assert asyncio.run(has_no_delay(listener))


def test_with_listen_a_training_takes_no_checkpoint_outside_the_folder(tmp_path: Path, pictures: Path) -> None:
    elsewhere = write_tiny_checkpoint(tmp_path / "elsewhere")
    request = TrainRequest(name="zzzz1234", dataset_directory=pictures.name, checkpoint=str(elsewhere), max_steps=1)
    others = ServerOptions(listen=True, data_dir=tmp_path / "data", dataset_root=pictures.parent)

    services = build_services(others, ExtensionHost(tmp_path, is_absent=True))

    with pytest.raises(NoCheckpoint, match="There is no checkpoint"):
        services.jobs.submit(request)
    assert services.jobs.list() == []


def test_the_flags_limit_prompts_and_uploads(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    flags = ["--max-prompt-characters", "20", "--max-prompt-chunks", "3", "--upload-quota", "2"]
    options = ServerOptions.from_namespace(parser.parse_args([*flags, "--data-dir", str(tmp_path)]))

    services = build_services(options, ExtensionHost(tmp_path, is_absent=True))

    assert services.txt2img.limits == PromptLimits(20, 3)
    assert services.uploads is not None and services.uploads.folder.is_relative_to(tmp_path)
    with pytest.raises(PromptTooLong, match="has 21 characters; expected 20 at most"):
        next(iter(services.txt2img.generate(GenerateRequest(prompt="x" * 21))))
    for wrong in ("0", "-1", "1.5", "x", "9" * 30):
        with pytest.raises(SystemExit):
            parser.parse_args(["--upload-quota", wrong])


def test_uploaded_pictures_are_refused_when_the_disk_is_nearly_full(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    (tmp_path / "a.png").write_bytes(b"x" * 1000)
    save_pictures(folders, "word", [tmp_path / "a.png"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=100 * 2**20))

    with pytest.raises(DiskFull, match="has 100 MB left; the pictures need 512 MB"):
        save_pictures(folders, "other", [tmp_path / "a.png"])
