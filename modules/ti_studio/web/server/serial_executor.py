"""Long work for REST: one after the other in a thread, and those that wait hold none, so that short requests go on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from ti_studio.watchdog import long_work

Result = TypeVar("Result")


class SerialExecutor:
    """A queue of calls."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def take(self, work: Callable[[], Result]) -> Result:
        """Calls `work` in a thread when its turn has come, and returns what it returns."""
        with long_work():  # another's; who has the turn loses it if it does not go on
            await self._turn.acquire()
        try:
            return await run_in_threadpool(work)
        finally:
            self._turn.release()
