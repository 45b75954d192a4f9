"""Runs long calls of REST one at a time. Waiting calls occupy no thread, so that short requests are not delayed."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from ti_studio.watchdog import long_work

Result = TypeVar("Result")


class SerialExecutor:
    """A queue of calls that run one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def take(self, work: Callable[[], Result]) -> Result:
        """Runs `work` in a thread when its turn comes, and returns its result."""
        with long_work():  # the running call has its own watch, which ends it if it makes no progress
            await self._turn.acquire()
        try:
            return await run_in_threadpool(work)
        finally:
            self._turn.release()
