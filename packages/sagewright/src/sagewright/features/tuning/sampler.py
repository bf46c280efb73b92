"""The sampler's process, seen from control: started when it is first asked, ended when nobody has asked for a while."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from sagewright.features.tuning.search import Question
from sagewright.kernel.controller import Later

MODULE = "sagewright.features.tuning.bayesian"
ANSWER_SECONDS = 30.0
IDLE_SECONDS = 60.0
RETRY_SECONDS = 1.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The matrices are small, the processors belong to the training jobs, and the same question shall have the same answer."""
_LINE_LIMIT = 1024 * 1024


class SamplerProcess:
    """See search.Sampler. One question at a time; a process that dies or does not answer is replaced at the next one."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, job: str, question: Question) -> list[float | str]:
        """Coordinates of a combination. Raises Later when the process does not answer."""
        line = json.dumps(_document(job, question)).encode() + b"\n"
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._exchange(line)
            except (TimeoutError, OSError, ValueError) as error:
                await self.close()
                raise Later(RETRY_SECONDS, f"the sampler does not answer: {error!r}") from error
            except asyncio.CancelledError:
                self._kill()  # its answer would be taken for the next question's
                raise
        self._rest()
        return answer

    async def close(self) -> None:
        """Ends the process, if there is one."""
        process = self._kill()
        if process is not None:
            await process.wait()

    async def warm(self) -> None:
        """Starts the process, so that its imports are done when it is asked."""
        if not self._turn.locked():
            async with self._turn:
                with suppress(OSError):  # who asks will hear of it
                    await self._running()
            self._rest()

    async def _exchange(self, line: bytes) -> list[float | str]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        await process.stdin.drain()
        answer = await process.stdout.readline()
        if not answer:
            raise ConnectionResetError("its process has ended")
        found: list[float | str] = json.loads(answer)
        return found

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE, limit=_LINE_LIMIT, env={**os.environ, **ONE_THREAD}
            )
        return self._process

    def _rest(self) -> None:
        """Begins to wait for the next question."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._kill)

    def _kill(self) -> Process | None:
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        return process


def _document(job: str, question: Question) -> dict[str, object]:
    """See bayesian.py."""
    return {
        "job": job,
        "ranges": [
            {"kind": item.kind, "low": item.low, "high": item.high, "log": item.log, "choices": list(item.choices)}
            for item in question.space.ranges
        ],
        "told": question.told,
        "pending": question.pending,
        "seed": question.seed,
    }
