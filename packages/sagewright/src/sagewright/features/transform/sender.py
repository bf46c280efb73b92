"""Sends payloads of a transform job to one of its containers, and takes the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from sagewright.compute.http_replica import HttpReplica
from sagewright.compute.replica import Answer, Replica
from sagewright.features.transform.reading import read_piece
from sagewright.features.transform.settings import Sending

FIRST_RETRY_SECONDS = 0.5


class Failed(Exception):
    """One object could not be transformed; the text is for the data log."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends payloads to one container, as many at once as there is ``room``."""

    replica: Replica
    room: asyncio.Semaphore
    sending: Sending
    headers: Mapping[str, str]

    @property
    def chunked(self) -> bool:
        """API CreateTransformJob, MaxPayloadInMB 0; the built-in algorithms do not know it, on AWS neither."""
        return self.sending.chunked and isinstance(self.replica, HttpReplica)

    async def send_chunked(self, file: IO[bytes], output: IO[bytes]) -> None:
        """One try: what was sent cannot be sent again without reading the object again. Raises Failed, BadInput."""
        assert isinstance(self.replica, HttpReplica)

        async def read() -> bytes:
            return await asyncio.to_thread(read_piece, file)

        async with self.room:
            try:
                status, headers, chunks = await self.replica.send(self.headers, read, self.sending.timeout)
                answer = [part async for part in chunks] if status >= 300 else []
                if not answer:
                    async for part in chunks:
                        await asyncio.to_thread(output.write, part)
            except TimeoutError as late:
                raise Failed(f"ClientError: no answer within {self.sending.timeout:.0f} seconds") from late
            except ConnectionError as lost:
                raise Failed(f"AlgorithmError: {lost}") from lost
        if not 200 <= status < 300:
            raise Failed(_refusal(Answer(status, headers, b"".join(answer))))

    async def send(self, body: bytes) -> Answer:
        """The answer, after as many tries as allowed. Raises Failed."""
        async with self.room:
            problem = ""
            for attempt in range(self.sending.retries + 1):
                if attempt:
                    await asyncio.sleep(FIRST_RETRY_SECONDS * 2 ** (attempt - 1))
                try:
                    answer = await self.replica.invoke(self.headers, body, self.sending.timeout)
                except TimeoutError:
                    problem = f"ClientError: no answer within {self.sending.timeout:.0f} seconds"
                    continue
                except ConnectionError as lost:
                    problem = f"AlgorithmError: {lost}"
                    continue
                if 200 <= answer.status < 300:
                    return answer
                problem = _refusal(answer)
                if answer.status < 500:
                    break  # the record is bad, and stays so
            raise Failed(problem)


def _refusal(answer: Answer) -> str:
    side = "ClientError" if answer.status < 500 else "AlgorithmError"
    return f"{side}: {answer.status}\n\nMessage:\n{answer.body[:1024].decode('utf-8', 'replace')}"
