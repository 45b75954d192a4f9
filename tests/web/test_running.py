"""The port that a server listens on."""

import asyncio
import socket
from contextlib import closing

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
