"""Work for strangers that takes processor time: a few at a time, each for so long, and never in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from kernel.errors import Unavailable

Result = TypeVar("Result")


class BoundedWork:
    """``most`` at a time in this process. A place is free again when the work is really over, not when its answer was
    given up: who sends hard documents one after the other gains nothing.
    """

    def __init__(self, most: int, patience_seconds: float, seconds: float) -> None:
        self._places = asyncio.Semaphore(most)
        self._patience = patience_seconds
        self._seconds = seconds

    async def run(self, work: Callable[[], Result]) -> Result:
        """What ``work`` returns or raises; raises Unavailable when there is no place, or it takes too long."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable("too much of this is being done: try again later") from error
        task = asyncio.ensure_future(run_in_threadpool(work))
        task.add_done_callback(self._over)
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if not done:
            raise Unavailable("this takes too long and was given up", limit_seconds=str(self._seconds))
        return task.result()

    def _over(self, task: asyncio.Task[Result]) -> None:
        self._places.release()
        if not task.cancelled():
            task.exception()  # looked at, so that one whose answer was given up is not reported as forgotten
