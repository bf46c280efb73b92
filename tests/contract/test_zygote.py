"""A forked container must not be told from a new interpreter, and a zygote may die at any time."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagewright.compute import capabilities, records, view
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.zygote import Zygote, runs_in_fork

PATIENCE = 60.0
IMAGE = "python"

Launch = Callable[..., InstanceSpec]


@pytest.fixture(scope="module", autouse=True)
def _needs_namespaces() -> None:
    problem = capabilities.trial(lambda host: Sandbox(host, None))
    if problem:
        pytest.skip(problem)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "run", (tmp_path,))


@pytest.fixture
def zygote(host: Host) -> Iterator[Zygote]:
    driver = Zygote(host, preload=lambda image: ("numpy.random", "json", "no_such_module"))
    yield driver
    driver.close()


@pytest.fixture
def launch(zygote: Zygote, tmp_path: Path) -> Iterator[Launch]:
    folders: list[Path] = []

    def start(source: str, *arguments: str, argv: tuple[str, ...] = (), **changes: object) -> InstanceSpec:
        folder = tmp_path / "jobs" / str(len(folders))
        folders.append(folder)
        view.build(folder / "ml")
        (folder / "ml/code/main.py").write_text(source)
        argv = argv or (sys.executable, "/opt/ml/code/main.py", *arguments)
        spec = InstanceSpec(str(folder), IMAGE, argv, folder, folder / "ml", **changes)  # type: ignore[arg-type]
        zygote.start(spec)
        return spec

    yield start
    for folder in folders:
        zygote.remove(folder)


def await_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(zygote: Zygote, spec: InstanceSpec) -> tuple[int | None, str]:
    await_until(lambda: zygote.observe(spec.folder).state != "running")
    return zygote.observe(spec.folder).code, (spec.folder / "stdout").read_text()


def was_forked(spec: InstanceSpec) -> bool:
    started = records.read(spec.folder, records.STARTED)
    assert started is not None
    return bool(started["launcher"] == "namespaces")


def servers(host: Host) -> list[int]:
    """The zygotes that listen in a run folder."""
    listing = Path("/proc/net/unix").read_text()
    assert listing
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                journal = str((entry / "fd/2").readlink())
            except OSError:
                continue
            if b"zygote_server" in command and journal.startswith(str(host.run)):
                found.append(int(entry.name))
    return found


def as_program(source: str, folder: Path) -> tuple[int, str]:
    """The same program in a new interpreter."""
    (folder / "main.py").write_text(source)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, str(folder / "main.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_it_was_forked_and_the_preloaded_modules_are_there(zygote: Zygote, launch: Launch) -> None:
    spec = launch(
        "import sys; print('numpy' in sys.modules, 'sagewright' in sys.modules)\ntry: import sagewright.app\nexcept ImportError: print('no')"
    )
    assert was_forked(spec)
    assert finish(zygote, spec) == (0, "True False\nno\n")


def test_main_looks_like_main(zygote: Zygote, launch: Launch) -> None:
    source = """
import pickle, sys, multiprocessing
class Thing: pass
def double(x): return 2 * x
if __name__ == '__main__':
    import __main__
    assert __main__.Thing is Thing and pickle.loads(pickle.dumps(Thing())).__class__ is Thing
    assert sys.argv == [__file__, 'a', 'b'] and sys.path[0] == '/opt/ml/code' and __spec__ is None
    for method in ('fork', 'spawn'):
        with multiprocessing.get_context(method).Pool(2) as pool: print(pool.map(double, [1, 2]))
"""
    assert finish(zygote, launch(source, "a", "b")) == (0, "[2, 4]\n[2, 4]\n")


def test_a_module_by_name(zygote: Zygote, launch: Launch) -> None:
    spec = launch("", argv=("python3", "-m", "package", "--x"), workdir="/opt/ml/code", env={"PYTHONPATH": "/opt/ml/code/lib"})
    assert finish(zygote, spec)[0] == 1, "there is no such module: the interpreter says so itself"
    assert "No module named package" in finish(zygote, spec)[1]


def test_a_package_by_name(zygote: Zygote, tmp_path: Path) -> None:
    folder = tmp_path / "jobs/package"
    view.build(folder / "ml")
    package = folder / "ml/code/lib/package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import sys; from . import other; print(__name__, __package__, sys.argv, sys.path[0])")
    (package / "other.py").write_text("")
    argv = ("python3", "-m", "package", "--x")
    env = {"PYTHONPATH": "/opt/ml/code/lib"}
    zygote.start(InstanceSpec("package", IMAGE, argv, folder, folder / "ml", env, workdir="/opt/ml/code"))
    code, output = finish(zygote, InstanceSpec("package", IMAGE, argv, folder, folder / "ml"))
    zygote.remove(folder)
    assert code == 0, output
    assert output.split() == ["__main__", "package", "['/opt/ml/code/lib/package/__main__.py',", "'--x']", "/opt/ml/code"]


@pytest.mark.parametrize(
    "source",
    [
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start(); print('main')",
        "import atexit; atexit.register(print, 'bye'); print('main')",
        "import sys; sys.exit('text')",
        "import sys; print('no newline', end=''); sys.exit(None)",
        "import sys; sys.exit(3.5)",
        "raise KeyboardInterrupt",
        "import sys; sys.excepthook = lambda *_: print('hook'); 1 / 0",
        "from concurrent.futures import ThreadPoolExecutor; ThreadPoolExecutor().submit(print, 'pool')",
        "import os, sys; sys.stdout.write('x'); os.write(1, b'y'); sys.stdout.write('z')",
        "import ctypes; ctypes.CDLL(None).printf(b'from C')",
        "this is no Python",
        "import sys; sys.stdout.close()",
    ],
)
def test_it_ends_as_a_program_of_its_own(zygote: Zygote, launch: Launch, tmp_path: Path, source: str) -> None:
    code, output = finish(zygote, launch(source, env={"PYTHONUNBUFFERED": ""}))
    expected_code, expected = as_program(source, tmp_path)
    assert code == (expected_code if expected_code >= 0 else 128 - expected_code)
    assert sorted(output.replace("/opt/ml/code", str(tmp_path)).splitlines()) == sorted(expected.splitlines())


def test_a_traceback_shows_the_program_only(zygote: Zygote, launch: Launch) -> None:
    code, output = finish(zygote, launch("def f():\n    return 1 / 0\nf()\n"))
    assert code == 1
    lines = output.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.strip() for line in lines if "File" in line] == [
        'File "/opt/ml/code/main.py", line 3, in <module>',
        'File "/opt/ml/code/main.py", line 2, in f',
    ]


def test_random_numbers_differ_between_forks(zygote: Zygote, launch: Launch) -> None:
    source = "import random, numpy; print(random.random(), numpy.random.rand(), id(object()) and '')"
    assert len({finish(zygote, launch(source))[1] for _ in range(3)}) == 3


def test_a_library_that_reads_its_environment_at_start_gets_a_new_interpreter(zygote: Zygote, launch: Launch) -> None:
    spec = launch("import sys; print(sys.flags.hash_randomization)", env={"PYTHONHASHSEED": "0"})
    assert finish(zygote, spec) == (0, "0\n")


@pytest.mark.parametrize(
    ("argv", "env", "expected"),
    [
        ((sys.executable, "train.py", "-x"), {}, True),
        (("python", "-m", "module"), {"A": "b", "PYTHONPATH": "/x"}, True),
        (("python3", "train.py"), {"OMP_NUM_THREADS": "1"}, False),
        (("python3", "train.py"), {"LD_PRELOAD": "x"}, False),
        (("python3", "-c", "pass"), {}, False),
        (("python3", "-m"), {}, False),
        (("python3",), {}, False),
        (("/bin/sh", "train.py"), {}, False),
    ],
)
def test_what_a_fork_can_run(argv: tuple[str, ...], env: dict[str, str], expected: bool) -> None:
    assert runs_in_fork(argv, env) is expected


def test_containers_outlive_their_zygote_and_the_next_one_comes_by_itself(zygote: Zygote, launch: Launch, host: Host) -> None:
    first = launch("import signal; signal.pause()")
    assert was_forked(first)
    started = records.read(first.folder, records.STARTED)
    assert started is not None
    for pid in servers(host):
        if pid not in (started["shim"][0], started["init"][0], started["user"][0]):
            os.kill(pid, signal.SIGKILL)
    second = launch("print('again')")
    assert was_forked(second)
    assert finish(zygote, second) == (0, "again\n")
    assert zygote.observe(first.folder).state == "running"
    zygote.close()
    assert zygote.observe(first.folder).state == "running"
    zygote.signal(first.folder, signal.SIGTERM)
    assert finish(zygote, first)[0] == 143


def test_a_zygote_ends_with_its_server(tmp_path: Path) -> None:
    source = f"""
import os, sys
from pathlib import Path
from sagewright.compute.host import Host
from sagewright.compute.zygote import Zygote
zygote = Zygote(Host(Path({str(tmp_path)!r}), ()), preload=lambda image: ())
zygote.warm("python")
print(zygote._server("python")._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", source], stdout=subprocess.PIPE, env=environment, check=False)
    await_until(lambda: not is_alive(int(done.stdout)))


def is_alive(pid: int) -> bool:
    try:
        records.identify(pid)
    except ProcessLookupError:
        return False
    return True


def test_without_a_zygote_the_sandbox_does_it(
    host: Host, launch: Launch, zygote: Zygote, caplog: pytest.LogCaptureFixture
) -> None:
    (host.run / "zygotes").mkdir(parents=True)
    (host.run / "zygotes/python.log").mkdir()  # it cannot even open its log
    with caplog.at_level(logging.WARNING):
        spec = launch("print('anyway')")
    assert "the sandbox does it" in caplog.text
    assert finish(zygote, spec) == (0, "anyway\n")


def test_the_memory_of_one_container_is_not_in_the_next(zygote: Zygote, launch: Launch) -> None:
    assert finish(zygote, launch("import os; print(os.environ['TREASURE'])", env={"TREASURE": "gold-of-the-first"}))[0] == 0
    source = """
needle = bytes([c ^ 1 for c in b'fnme,ng,uid,ghsru'])
found = 0
for line in open('/proc/self/maps'):
    span, mode = line.split()[:2]
    if 'r' not in mode or '[v' in line or '/' in line: continue
    start, end = (int(part, 16) for part in span.split('-'))
    with open('/proc/self/mem', 'rb') as memory:
        memory.seek(start)
        found += memory.read(end - start).count(needle) if end - start < 1 << 28 else 0
print(json.dumps(found))
"""
    code, output = finish(zygote, launch("import json\n" + source))
    assert code == 0, output
    assert json.loads(output) <= 1, "no more than the needle itself"
