"""The port that a server listens on, and what it lets others ask for."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.checkpoints import write_tiny_checkpoint
from ti_studio.extensions.host import ExtensionHost
from ti_studio.models.checkpoints import NoCheckpoint
from ti_studio.server_options import ServerOptions
from ti_studio.training.request import TrainRequest
from ti_studio.web.app import build_services
from ti_studio.web.running import listen


def test_short_answers_are_not_kept_back_until_the_browser_has_confirmed_the_last() -> None:
    async def sends_at_once(listener: socket.socket) -> bool:
        found = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            answer = await found
            writer.close()
        return bool(answer)

    with closing(listen("127.0.0.1", 0, "")) as listener:
        assert asyncio.run(sends_at_once(listener))


def test_with_listen_a_training_takes_no_checkpoint_from_anywhere(tmp_path: Path, pictures: Path) -> None:
    elsewhere = write_tiny_checkpoint(tmp_path / "elsewhere")
    request = TrainRequest(name="zzzz1234", dataset_directory=pictures.name, checkpoint=str(elsewhere), max_steps=1)
    others = ServerOptions(listen=True, data_dir=tmp_path / "data", dataset_root=pictures.parent)

    services = build_services(others, ExtensionHost(tmp_path, is_absent=True))

    with pytest.raises(NoCheckpoint, match="There is no checkpoint"):
        services.jobs.submit(request)
    assert services.jobs.list() == []
