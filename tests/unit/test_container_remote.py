"""What stands for SSH between the hosts of a job that uses MPI. Feature row G14."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright_container.training import remote


class Follower:
    """A host that follows, in a thread of this process."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self.codes.append(remote.follow()), daemon=True)
        self._thread.start()

    def ended(self) -> int:
        self._thread.join(30)
        return self.codes[0]


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        monkeypatch.setattr(remote, "PORT", probe.getsockname()[1])
    made = Follower()
    yield made
    with remote.leading(["127.0.0.1"] if not made.codes else []):
        pass
    made.ended()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["remote", "127.0.0.1", *words])
    return remote.main()


def test_commands_run_by_the_other_hosts_shell(follower: Follower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As ssh does: the words are joined and its shell reads them; the exit code comes back."""
    with remote.leading(["127.0.0.1"]):
        assert run(monkeypatch, "A=b;", "echo", f"$A > {tmp_path}/written") == 0
        assert run(monkeypatch, "exit 7") == 7
        assert run(monkeypatch, "kill -9 $$") == 137
    assert (tmp_path / "written").read_text() == "b\n"
    assert follower.ended() == 0


def test_a_host_that_leads_and_goes_without_a_word(follower: Follower) -> None:
    """It has failed: who follows must not look as if all were well."""
    with pytest.raises(RuntimeError, match="out of memory"), remote.leading(["127.0.0.1"]):
        raise RuntimeError("out of memory")
    assert follower.ended() == 1
