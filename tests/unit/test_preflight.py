"""What FailureReason tells of a container that does not come into service (K02; DG your-algorithms-inference-code)."""

from __future__ import annotations

from pathlib import Path

from sagewright.compute.runtime import Observed
from sagewright.serving.preflight import LAST_LINES, Transcript, said_last
from sagewright.serving.step import START_ATTEMPTS, Slot, step
from sagewright.serving.unit import Seen

NOW = 1_800_000_000.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(*pings: tuple[float, str]) -> str:
    clock = Clock()
    transcript = Transcript("port 8080", clock)
    for at, what in pings:
        clock.now = at
        transcript.note(what)
    return str(transcript)


def test_pings_that_went_alike_are_one_entry() -> None:
    text = told((0.1, "nobody listens"), (0.2, "nobody listens"), (2.5, "answered 500"), (3.0, "answered 500"))
    assert text == "GET /ping on port 8080: 2 x nobody listens (0.1-0.2 s); 2 x answered 500 (2.5-3.0 s)."
    assert told() == "GET /ping on port 8080: not asked."


def test_a_container_that_changes_its_mind_for_ever_stays_short() -> None:
    text = told(*((float(at), f"answered {500 + at % 2}") for at in range(1000)))
    assert len(text) < 400
    assert "(0.0-0.0 s)" in text
    assert "(999.0-999.0 s)" in text


def test_the_last_lines_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "stdout"
    assert said_last(log) == ""
    log.write_bytes(b"".join(b"line %d\n\n" % number for number in range(10_000)) + b"\xff" * 300)
    lines = said_last(log).split(" | ")
    assert len(lines) == LAST_LINES
    assert lines[-2] == "line 9999"
    assert max(map(len, lines)) <= 160


def test_the_reason_holds_it() -> None:
    seen = Seen("ready", "", Observed("running", started=NOW - 300), preflight="GET /ping on port 8080: not asked.")
    taken = step(Slot(0), seen, NOW, patient=False, startup_timeout=240.0, unhealthy="It is unhealthy.")
    assert taken.failed == "It is unhealthy. GET /ping on port 8080: not asked."
    ended = Seen("ready", "", Observed("exited", code=3, started=NOW - 1, ended=NOW), preflight="Last log lines: boom")
    taken = step(Slot(0, START_ATTEMPTS), ended, NOW, patient=False, startup_timeout=240.0, unhealthy="It is unhealthy.")
    assert taken.failed == "It is unhealthy. The container ended: exit code 3. Last log lines: boom"
