"""The contract of compute/runtime.py, held by every driver.

``bench`` is one driver under test; it starts programs given as Python source, waits for them, and leaves nothing behind: after
each test no process, control group or mount of its containers may be left.
Feature row O13.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
import signal
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sagewright.compute import capabilities, cgroups, host, records, supervised, trees, view
from sagewright.compute.fake import Fake
from sagewright.compute.host import Host
from sagewright.compute.oci.layer import unpack
from sagewright.compute.process import Process
from sagewright.compute.runtime import FileSystems, InstanceSpec, Limits, Mount, Observed, Peers, RootFs, Runtime
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.supervised import Supervised, find_bubblewrap
from sagewright.compute.zygote import Zygote

PATIENCE = 60.0
PREAMBLE = "import os, signal, socket, subprocess, sys, time\nML = os.environ.get('SAGEWRIGHT_ML_ROOT', '/opt/ml')\n"

# Holds a lock on a file of /opt/ml: as long as any process that inherited it lives, the test cannot take it.
LOCK = """import fcntl
lock = open(ML + '/model/lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX); os.set_inheritable(lock.fileno(), True)
"""

Driver = Callable[[Host], Runtime]
DRIVERS: dict[str, Driver] = {
    "zygote": lambda host: Zygote(host, preload=lambda image: ("json",)),
    "bubblewrap": lambda host: Sandbox(host),
    "namespaces": lambda host: Sandbox(host, None),
    "process": lambda host: Process(host),
    "image": lambda host: Sandbox(host),
}


class Bench:
    """One driver, its data folder and the containers of one test."""

    def __init__(self, data: Path, driver: Driver, of_image: bool = False) -> None:
        self.data = data
        self.of_image = of_image
        self.driver = driver
        self.host = Host(data / "run", (data,))
        self.host.run.mkdir(parents=True, mode=0o700)
        self.runtime = driver(self.host)
        self.seen: list[dict[str, object]] = []
        self._number = 0

    @property
    def isolates(self) -> bool:
        return self.runtime.name != "process"

    def spec(self, source: str = "", **changes: object) -> InstanceSpec:
        self._number += 1
        folder = self.data / "jobs" / f"job-{self._number}" / "algo-1"
        view.build(folder / "ml")
        (folder / "ml/code/main.py").write_text(PREAMBLE + source)
        values: dict[str, object] = {
            "key": f"training-job/1/r/job-{self._number}/algo-1",
            "image": "python",
            "argv": (sys.executable, "/opt/ml/code/main.py"),
            "folder": folder,
            "ml": folder / "ml",
            "network": "isolated" if self.isolates else "open",
        }
        if self.of_image:
            values["rootfs"] = RootFs((self._layer(),))
            changes["env"] = {"PYTHONUNBUFFERED": "1", **changes.get("env", {})}  # type: ignore[dict-item]
            if "rootfs" not in changes:
                changes["mounts"] = (*changes.get("mounts", ()), *_this_machine())  # type: ignore[misc]
        return InstanceSpec(**{**values, **changes})  # type: ignore[arg-type]

    def _layer(self) -> Path:
        """The one layer of an image that has nothing of its own: its programs are this machine's, as mounts."""
        layer = self.data / "layers" / "bare"
        if not layer.exists():
            for name in ("tmp", "root", "var/tmp"):
                (layer / name).mkdir(parents=True)
            for goal, path in host.links():
                (layer / path[1:]).symlink_to(goal)
            for entry in (layer, *layer.rglob("*")):
                if (users := host.image_users()) is not None:
                    os.chown(entry, users, users, follow_symlinks=False)
        return layer

    def start(self, source: str = "", **changes: object) -> InstanceSpec:
        spec = self.spec(source, **changes)
        self.runtime.start(spec)
        return spec

    def run(self, source: str = "", **changes: object) -> tuple[Observed, str]:
        spec = self.start(source, **changes)
        return self.ended(spec), self.output(spec)

    def ended(self, spec: InstanceSpec) -> Observed:
        await_until(lambda: self.runtime.observe(spec.folder).state != "running", spec)
        return self.runtime.observe(spec.folder)

    def output(self, spec: InstanceSpec) -> str:
        return (spec.folder / "stdout").read_text(errors="replace")

    def says(self, spec: InstanceSpec, text: str) -> None:
        await_until(lambda: text in self.output(spec), spec)

    def restart(self) -> None:
        """A new object of the driver, as after a restart of the server."""
        if isinstance(self.runtime, Zygote):
            self.runtime.close()
        self.runtime = self.driver(self.host)

    def leave_nothing(self) -> None:
        folders = sorted(self.data.glob("jobs/*/*"))
        started = [record for folder in folders if (record := records.read(folder, records.STARTED))]
        for folder in folders:
            self.runtime.remove(folder)
            assert not folder.exists()
        if isinstance(self.runtime, Zygote):
            self.runtime.close()
        for record in started:
            for who in ("shim", "init", "user"):
                if record.get(who):
                    await_until(partial(is_gone, records.Identity(*record[who])), None)
        for folder in folders:
            assert not list(Path("/sys/fs/cgroup").glob(f"*/{cgroups.NAME}/{supervised.group_name(folder)}"))
        assert str(self.data) not in Path("/proc/self/mountinfo").read_text()


def _this_machine() -> Iterator[Mount]:
    for source, target in host.trees():
        if target != "/etc" and not target.startswith("/sys"):
            yield Mount(Path(source), target)


def is_gone(identity: records.Identity) -> bool:
    return not records.alive(identity)


def await_until(condition: Callable[[], bool], spec: InstanceSpec | None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            logs = [(spec.folder / name) for name in ("stdout", "shim.log")] if spec else []
            raise AssertionError([log.read_text()[-2000:] for log in logs if log.exists()])
        time.sleep(0.005)


def lock_is_free(spec: InstanceSpec) -> bool:
    with (spec.ml / "model/lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def problems() -> dict[str, str]:
    """Why a driver cannot work on this machine."""
    bubblewrap = capabilities.trial(lambda host: Sandbox(host)) if find_bubblewrap() else "bubblewrap is not installed"
    namespaces = capabilities.trial(lambda host: Sandbox(host, None))
    return {"bubblewrap": bubblewrap, "namespaces": namespaces, "zygote": namespaces, "process": "", "image": namespaces}


def make_bench(name: str, tmp_path: Path, problems: dict[str, str]) -> Iterator[Bench]:
    if problems[name]:
        pytest.skip(problems[name])
    tmp_path.chmod(0o700)
    bench = Bench(tmp_path / "data", DRIVERS[name], of_image=name == "image")
    yield bench
    bench.leave_nothing()


@pytest.fixture(params=DRIVERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, problems: dict[str, str]) -> Iterator[Bench]:
    yield from make_bench(request.param, tmp_path, problems)


@pytest.fixture(params=[name for name in DRIVERS if name != "process"])
def isolating(request: pytest.FixtureRequest, tmp_path: Path, problems: dict[str, str]) -> Iterator[Bench]:
    yield from make_bench(request.param, tmp_path, problems)


@pytest.fixture(params=["with control groups", "without"])
def groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    with_groups = request.param != "without"
    if with_groups and cgroups.find_base() is None:
        pytest.skip("no control groups that we may use")
    if not with_groups:
        monkeypatch.setattr(supervised, "_group_base", lambda: None)
    return with_groups


# Exit codes, output, environment


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('a message')", 1),
        ("1 / 0", 1),
        ("os._exit(255)", 255),
        ("os.kill(os.getpid(), 9)", 137),
        ("os.abort()", 134),
        ("sys.exit(-1)", 255),
    ],
)
def test_exit_codes_are_those_of_a_shell(bench: Bench, source: str, code: int) -> None:
    ended, output = bench.run(source)
    assert (ended.state, ended.code, ended.reason) == ("exited", code, ""), output
    assert ended.started is not None
    assert ended.ended is not None
    assert ended.started <= ended.ended <= time.time()


def test_a_command_that_is_not_there_ends_with_127(bench: Bench) -> None:
    ended, output = bench.run(argv=("no-such-command", "train"))
    assert ended.code == 127
    assert "no-such-command" in output


def test_standard_output_and_error_arrive_in_order_and_at_once(bench: Bench) -> None:
    source = """
print('one é'); print('two', file=sys.stderr); os.write(1, b'three\\n'); subprocess.run(['sh', '-c', 'echo four'])
open('/dev/stdout', 'a').write('five\\n'); print('six', end=''); signal.pause()
"""
    spec = bench.start(source)
    bench.says(spec, "six")
    assert bench.output(spec).splitlines() == ["one é", "two", "three", "four", "five", "six"]
    bench.runtime.signal(spec.folder, signal.SIGKILL)


def test_environment_arguments_and_folder(bench: Bench) -> None:
    source = "import json; print(json.dumps([dict(os.environ), sys.argv, os.getcwd(), os.uname().nodename]))"
    argv = (sys.executable, "/opt/ml/code/main.py", "--eta", "0.1 ü", "")
    env = {"SM_HP_ETA": "0.1", "QUOTED": "a 'b' \"c\" ü\nnext"}
    ended, output = bench.run(source, argv=argv, env=env, workdir="/opt/ml/code", hostname="algo-7")
    assert ended.code == 0, output
    seen, arguments, folder, hostname = json.loads(output)
    assert seen.items() >= {**env, "HOSTNAME": "algo-7", "PYTHONUNBUFFERED": "1"}.items()
    assert arguments[1:] == ["--eta", "0.1 ü", ""]
    assert arguments[0].endswith("/code/main.py")
    assert folder.endswith("/code")
    secret = os.environ.keys() - seen.keys()
    assert "PYTEST_CURRENT_TEST" in secret, "the server's own environment stays outside"
    if bench.isolates:
        assert hostname == "algo-7"


def test_what_it_writes_to_opt_ml_is_on_the_host_and_elsewhere_is_gone(bench: Bench) -> None:
    source = """
open(ML + '/model/model.bin', 'w').write('trained'); os.mkdir(ML + '/output/data/sub')
if ML == '/opt/ml':
    for place in ('tmp', 'root', '', 'dev/shm', 'var/tmp'): open(f'/{place}/x', 'w').write('x')
"""
    spec = bench.start(source)
    assert bench.ended(spec).code == 0, bench.output(spec)
    assert (spec.ml / "model/model.bin").read_text() == "trained"
    await_until(lambda: not (spec.folder / "scratch").exists(), spec)


def test_mounts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel/part").write_text("1,2,3")
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    source = """
print(open(ML + '/input/data/train/part').read())
open(ML + '/checkpoints/c', 'w').write('x')
try: open(ML + '/input/data/train/new', 'w')
except OSError as error: print(error.errno)
"""
    mounts = (
        Mount(tmp_path / "channel", "/opt/ml/input/data/train"),
        Mount(tmp_path / "shared", "/opt/ml/checkpoints", writable=True),
    )
    ended, output = bench.run(source, mounts=mounts)
    assert ended.code == 0, output
    assert output.splitlines()[0] == "1,2,3"
    assert (tmp_path / "shared/c").exists()
    if bench.isolates:
        assert output.splitlines()[1] == str(errno.EROFS)


def test_a_link_in_opt_ml_does_not_lead_a_mount_out_of_the_container(isolating: Bench, tmp_path: Path) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "victim").mkdir()
    spec = isolating.spec("", mounts=(Mount(tmp_path / "channel", "/opt/ml/input/data/train/deep"),))
    (spec.ml / "input/data/train").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"link|No such file"):
        isolating.runtime.start(spec)
    assert not list((tmp_path / "victim").iterdir())
    assert isolating.runtime.observe(spec.folder).state == "missing"


# File systems that a program outside serves


FILES = [str(Path(__file__).parents[1]), *sys.path]
SERVE = f"import sys; sys.path[:0] = {FILES!r}; sys.argv = ['files']; import runpy; runpy.run_module('support.memory_files', run_name='__main__')"


def serving(*texts: str, command: str = SERVE) -> FileSystems:
    argv = (sys.executable, "-c", command)
    return FileSystems(argv, {"texts": texts}, tuple(f"/opt/ml/input/data/{text}" for text in texts))


@pytest.fixture
def mounting(isolating: Bench) -> Bench:
    if isolating.runtime.without_file_systems:
        pytest.skip(isolating.runtime.without_file_systems)
    return isolating


def helpers(spec: InstanceSpec) -> list[int]:
    """The programs beside a container."""
    started = records.read(spec.folder, records.STARTED)
    assert started is not None
    ours = {started["init"][0], *records.descendants(started["init"][0])}
    return [pid for pid in records.children(started["shim"][0]) if pid not in ours]


def served(pid: int) -> bool:
    return b"memory_files" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_file_systems_are_read_only_and_in_nobody_elses_view(mounting: Bench) -> None:
    """G07: two channels by one program; files belong to whoever the container's user is; nothing is in the host's mount table."""
    source = """
for name in ('one', 'two'):
    folder = ML + '/input/data/' + name + '/in'
    print(sorted(os.listdir(folder)), open(folder + '/name').read(), os.stat(folder + '/name').st_uid, os.path.exists(folder + '/x'))
    for act in (lambda: open(folder + '/new', 'w'), lambda: os.remove(folder + '/name'), lambda: open(folder + '/broken').read()):
        try: act(); print('done')
        except OSError as error: print(error.errno)
print('ready', flush=True); signal.pause()
"""
    spec = mounting.start(source, file_systems=serving("one", "two"))
    mounting.says(spec, "ready")
    lines = [line for line in mounting.output(spec).splitlines() if not line.startswith("told: ")]
    files = "['broken', 'name', 'slow']"
    refused = [str(errno.EROFS), str(errno.EROFS), str(errno.EIO)]
    assert lines == [f"{files} one 0 False", *refused, f"{files} two 0 False", *refused, "ready"]
    assert "told: [Errno 116] this object has changed" in mounting.output(spec)
    assert "sagewright" not in [
        line.split(" - ")[1].split()[1] for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    assert not list((spec.ml / "input/data/one").iterdir())
    mounting.runtime.signal(spec.folder, signal.SIGTERM)
    assert mounting.ended(spec).code == 143
    assert not [pid for pid in records.children(os.getpid()) if served(pid)]


@pytest.mark.parametrize("victim", ["shim", "program"])
def test_a_death_around_a_file_system_leaves_nothing(mounting: Bench, victim: str) -> None:
    """kill -9 of the shim ends program and container; kill -9 of the program makes reads fail, never hang."""
    source = """
print('ready', flush=True)
try: open(ML + '/input/data/one/in/slow').read()
except OSError as error: print('errno', error.errno, flush=True)
signal.pause()
"""
    spec = mounting.start(source, file_systems=serving("one"))
    mounting.says(spec, "ready")
    started = records.read(spec.folder, records.STARTED)
    assert started is not None
    (program,) = [records.Identity(*records.identify(pid)) for pid in helpers(spec) if served(pid)]
    records.send(program if victim == "program" else records.Identity(*started["shim"]), signal.SIGKILL)
    await_until(lambda: not records.alive(program), spec)
    if victim == "program":
        mounting.says(spec, "errno")
        assert mounting.runtime.observe(spec.folder).state == "running"
    else:
        await_until(lambda: not records.alive(records.Identity(*started["user"])), spec)


def test_a_program_that_waits_for_a_file_can_be_killed(mounting: Bench) -> None:
    source = "print('ready', flush=True); open(ML + '/input/data/one/in/slow').read()"
    spec = mounting.start(source, file_systems=serving("one"))
    mounting.says(spec, "ready")
    mounting.runtime.signal(spec.folder, signal.SIGKILL)
    assert mounting.ended(spec).code == 137


def test_file_systems_of_peers(mounting: Bench) -> None:
    """A container with a network of its own reads as well: the program is not in that network."""
    peers = Peers(mounting.data / "jobs" / "net" / "network", ("algo-1",))
    source = "print(open(ML + '/input/data/one/in/name').read())"
    ended, output = mounting.run(source, file_systems=serving("one"), peers=peers)
    assert (ended.code, output) == (0, "one\n")


def test_a_program_that_dies_at_once_does_not_hang_the_container(mounting: Bench) -> None:
    source = "print(os.path.exists(ML + '/input/data/one/in'))"
    try:
        ended, output = mounting.run(source, file_systems=serving("one", command="raise SystemExit(1)"))
    except OSError:
        return
    assert ended.state == "exited", output
    assert "True" not in output


def test_without_mounts_there_are_no_file_systems(tmp_path: Path) -> None:
    assert Process(Host(tmp_path, ())).without_file_systems


def test_a_lent_folder_stays_whose_it_is(isolating: Bench, tmp_path: Path) -> None:
    """B10, B11: read or written as its permissions say; a link on the way there is not followed, whoever planted it when."""
    folder = tmp_path / "lent"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "name").write_text("data")
    (tmp_path / "link").symlink_to(folder)
    target = "/opt/ml/input/data/train"
    source = f"print(open('{target}/name').read()); open('{target}/new', 'w').write('x')"
    owner = folder.stat().st_uid
    read = [Mount(folder, target, writable, lent=True) for writable in (True, False)]
    ended, output = isolating.run(source, mounts=(read[0],))
    assert (ended.code, output, (folder / "new").read_text()) == (0, "data\n", "x")
    assert {folder.stat().st_uid, (folder / "name").stat().st_uid} == {owner}
    ended, output = isolating.run(source, mounts=(read[1],))
    assert ended.code == 1
    assert "Read-only file system" in output
    with pytest.raises(OSError, match=r".+") as refused:
        isolating.run(source, mounts=(Mount(tmp_path / "link", target, True, lent=True),))
    assert refused.value.errno in (errno.ELOOP, errno.ENOTDIR, errno.EIO)


# Signals


def test_sigterm_reaches_the_program(bench: Bench) -> None:
    """contracts.md, stop: SIGTERM, then 120 s in which a program may save its model."""
    source = """
def stop(number, frame): open(ML + '/model/saved', 'w').write('x'); sys.exit(0)
signal.signal(signal.SIGTERM, stop); print('ready')
while True: signal.pause()
"""
    spec = bench.start(source)
    bench.says(spec, "ready")
    bench.runtime.signal(spec.folder, signal.SIGTERM)
    assert bench.ended(spec).code == 0
    assert (spec.ml / "model/saved").exists()


def test_sigterm_without_a_handler_ends_it(bench: Bench) -> None:
    spec = bench.start("print('ready'); signal.pause()")
    bench.says(spec, "ready")
    bench.runtime.signal(spec.folder, signal.SIGTERM)
    assert bench.ended(spec).code == 143


def test_sigkill_ends_every_process(bench: Bench) -> None:
    source = (
        LOCK
        + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
os.wait(); subprocess.Popen(['sleep', '600'], pass_fds=[lock.fileno()]); print('ready'); time.sleep(600)
"""
    )
    spec = bench.start(source)
    bench.says(spec, "ready")
    bench.runtime.signal(spec.folder, signal.SIGTERM)
    assert bench.runtime.observe(spec.folder).state == "running"
    assert not lock_is_free(spec)
    bench.runtime.signal(spec.folder, signal.SIGKILL)
    assert bench.ended(spec).code == 137
    assert lock_is_free(spec)


def test_what_a_program_leaves_running_ends_with_it(bench: Bench) -> None:
    spec = bench.start(LOCK + "subprocess.Popen(['sleep', '600'], pass_fds=[lock.fileno()], start_new_session=True)")
    assert bench.ended(spec).code == 0
    assert lock_is_free(spec)


def test_signals_to_nothing_are_ignored(bench: Bench) -> None:
    spec = bench.start("pass")
    bench.ended(spec)
    bench.runtime.signal(spec.folder, signal.SIGTERM)
    bench.runtime.signal(spec.folder.with_name("never"), signal.SIGKILL)


# Once, and only once; restarts


def test_start_happens_once(bench: Bench) -> None:
    source = "open(ML + '/model/count', 'a').write('x'); print('ready'); signal.pause()"
    spec = bench.spec(source)
    failures: list[OSError] = []

    def start() -> None:
        try:
            bench.runtime.start(spec)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    bench.says(spec, "ready")
    bench.runtime.start(spec)
    bench.runtime.signal(spec.folder, signal.SIGKILL)
    bench.ended(spec)
    bench.runtime.start(spec)
    assert bench.runtime.observe(spec.folder).code == 137
    assert (spec.ml / "model/count").read_text() == "x"


def test_a_restarted_server_adopts_what_runs(bench: Bench) -> None:
    source = "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(5)); print('ready')\nwhile True: signal.pause()"
    spec = bench.start(source)
    bench.says(spec, "ready")
    bench.restart()
    assert bench.runtime.observe(spec.folder).state == "running"
    bench.runtime.start(spec)
    bench.runtime.signal(spec.folder, signal.SIGUSR1)
    assert bench.ended(spec).code == 5


def test_a_lost_container_is_lost_for_good(bench: Bench) -> None:
    spec = bench.start(LOCK + "print('ready'); time.sleep(600)")
    bench.says(spec, "ready")
    started = records.read(spec.folder, records.STARTED)
    assert started is not None
    os.kill(started["shim"][0], signal.SIGKILL)
    await_until(lambda: bench.runtime.observe(spec.folder).state == "lost", spec)
    await_until(lambda: lock_is_free(spec), spec)
    bench.runtime.start(spec)
    assert bench.runtime.observe(spec.folder).state == "lost"


def test_never_started_is_missing(bench: Bench) -> None:
    spec = bench.spec()
    assert bench.runtime.observe(spec.folder) == Observed("missing")
    with pytest.raises(OSError, match="nothing runs"):
        bench.runtime.stats(spec.folder)


def test_the_end_is_announced(bench: Bench) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
        address = bench.host.run / "wake.sock"
        folder = os.open(address.parent, os.O_PATH)
        wake.bind(f"/proc/self/fd/{folder}/{address.name}")
        os.close(folder)
        wake.settimeout(PATIENCE)
        spec = bench.start("pass")
        assert wake.recv(4096).decode() == str(spec.folder)
        assert bench.runtime.observe(spec.folder).state == "exited", "the record is there before the announcement"


def test_a_refused_start_leaves_no_trace(bench: Bench) -> None:
    spec = bench.spec(mounts=(Mount(Path("/no/such/source"), "/opt/ml/input/data/x/y"),))
    if not bench.isolates:
        spec = bench.spec(network="isolated")
    with pytest.raises(OSError, match=r"network isolation|No such file|no such file"):
        bench.runtime.start(spec)
    assert bench.runtime.observe(spec.folder).state == "missing"
    with pytest.raises(FileNotFoundError):
        bench.start(ml=spec.folder / "nothing")


@pytest.mark.parametrize(
    "changes",
    [
        {"env": {"A": "x\0--bind\0/\0/host"}},
        {"argv": ("true", "a\0b")},
        {"env": {"A": "\ud800"}},
        {"env": {"A=B": "x"}},
        {"argv": ()},
        {"mounts": (Mount(Path("/etc"), "/opt/ml/../../x"),)},
        {"mounts": (Mount(Path("/etc"), "opt/ml/x"),)},
        {"mounts": (Mount(Path("/etc"), "/"),)},
        {"workdir": "/a\0b"},
        {"hostname": "a\0b"},
    ],
)
def test_what_could_be_mistaken_for_something_else_is_refused(bench: Bench, changes: dict[str, object]) -> None:
    spec = bench.spec("", **changes)
    with pytest.raises(OSError, match=r"NUL|command|absolute"):
        bench.runtime.start(spec)
    assert bench.runtime.observe(spec.folder).state == "missing"


def test_a_record_cut_short_by_a_power_failure_means_lost(bench: Bench) -> None:
    spec = bench.spec()
    (spec.folder / records.STARTED).write_text("")
    assert bench.runtime.observe(spec.folder).state == "lost"
    (spec.folder / records.EXIT).write_text('{"co')
    bench.runtime.start(spec)
    assert bench.runtime.observe(spec.folder).state == "lost"


def test_remove_ends_and_deletes_whatever_is_there(bench: Bench) -> None:
    source = LOCK + "os.makedirs(ML + '/model/a/b/c'); os.symlink('/', ML + '/model/link'); os.chmod(ML + '/model/a', 0)\n"
    spec = bench.start(source + "print('ready'); time.sleep(600)")
    bench.says(spec, "ready")
    watched = (spec.ml / "model/lock").open()
    bench.runtime.remove(spec.folder)
    assert not spec.folder.exists()
    fcntl.flock(watched, fcntl.LOCK_EX | fcntl.LOCK_NB)
    watched.close()
    bench.runtime.remove(spec.folder)


# Limits


def test_too_much_memory(bench: Bench, groups: bool) -> None:
    source = "print('ready')\nblocks = []\nwhile True:\n    blocks.append(bytearray(b'x') * (8 << 20)); time.sleep(0.01)"
    ended, output = bench.run(source, limits=Limits(memory=200 << 20))
    assert (ended.code, ended.reason) == (137, "OutOfMemory"), output


def test_enough_memory(bench: Bench, groups: bool) -> None:
    ended, output = bench.run("block = bytearray(b'x') * (50 << 20); time.sleep(0.5)", limits=Limits(memory=200 << 20))
    assert (ended.code, ended.reason) == (0, ""), output


def test_a_fork_bomb_is_bounded(isolating: Bench, groups: bool) -> None:
    source = """
made = 0
try:
    while made < 300:
        if os.fork() == 0: time.sleep(600); os._exit(0)
        made += 1
except OSError as error: print('refused', error.errno)
print('made', made)
"""
    ended, output = isolating.run(source, limits=Limits(processes=50))
    assert ended.code == 0
    assert f"refused {errno.EAGAIN}" in output
    assert 10 < int(output.split("made ")[1]) <= 50


def test_a_full_disk(bench: Bench, groups: bool) -> None:
    source = """
number = 0
while True:
    number += 1
    with open(f'{ML}/model/{number}', 'wb') as file: file.write(bytes(1 << 20))
    time.sleep(0.002)
"""
    spec = bench.start(source, limits=Limits(disk=30 << 20))
    ended = bench.ended(spec)
    assert (ended.code, ended.reason) == (137, "DiskFull"), bench.output(spec)
    assert trees.disk_use(spec.folder) < 2 << 30


def test_a_flood_of_output_counts_as_disk(bench: Bench) -> None:
    spec = bench.start("while True: print('x' * 4000)", limits=Limits(disk=20 << 20))
    ended = bench.ended(spec)
    assert ended.reason == "DiskFull"
    assert (spec.folder / "stdout").stat().st_size <= 20 << 20


def test_files_outside_opt_ml_count_as_disk(isolating: Bench) -> None:
    source = "file = open('/tmp/x', 'wb')\nwhile True: file.write(bytes(1 << 20)); file.flush(); time.sleep(0.002)"
    assert isolating.run(source, limits=Limits(disk=20 << 20))[0].reason == "DiskFull"


def test_stats(bench: Bench, groups: bool) -> None:
    source = "block = bytearray(b'x') * (40 << 20)\nopen(ML + '/model/m', 'wb').write(bytes(5 << 20))\n"
    source += "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('ready'); signal.pause()"
    spec = bench.start(source)
    bench.says(spec, "ready")
    stats = bench.runtime.stats(spec.folder)
    assert 0.3 <= stats.cpu < 30
    assert 40 << 20 <= stats.memory < 400 << 20
    assert 5 << 20 <= stats.disk < 50 << 20


# Network

SERVER = """
with socket.create_server(('0.0.0.0', {port})) as server:
    print('ready')
    while True:
        client, _ = server.accept()
        with client: client.sendall(client.recv(100).upper())
"""


def exchange(connection: socket.socket) -> bytes:
    with connection:
        connection.settimeout(PATIENCE)
        connection.sendall(b"hello")
        return connection.recv(100)


def test_dial_reaches_a_server_without_a_network(isolating: Bench) -> None:
    waiting = isolating.start("print('ready'); signal.pause()")
    isolating.says(waiting, "ready")
    with pytest.raises(ConnectionRefusedError):
        isolating.runtime.dial(waiting.folder, 8080)
    serving = [isolating.start(SERVER.format(port=8080)) for _ in range(2)]
    for spec in serving:
        isolating.says(spec, "ready")
        assert exchange(isolating.runtime.dial(spec.folder, 8080)) == b"HELLO"
        assert (spec.folder / "dial.sock").stat().st_mode & 0o777 == 0o600
    isolating.restart()
    assert exchange(isolating.runtime.dial(serving[0].folder, 8080)) == b"HELLO"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8080), 1)
    isolating.runtime.signal(serving[0].folder, signal.SIGKILL)
    isolating.ended(serving[0])
    with pytest.raises(ConnectionRefusedError):
        isolating.runtime.dial(serving[0].folder, 8080)


def test_the_layers_of_an_image_lie_one_on_the_other(bench: Bench) -> None:
    """OCI image layout: what a layer removes is gone, a folder that it makes anew is empty below; nothing of it can be changed."""
    busybox = shutil.which("busybox")
    if not bench.of_image or busybox is None:
        pytest.skip("about images, and busybox must be installed")
    program = Path(busybox).read_bytes()
    low = {"bin/busybox": program, "etc/motd": b"low", "etc/kept": b"kept", "var/d/old": b"", "secret": b"secret"}
    high = {"etc/.wh.motd": b"", "var/d/.wh..wh..opq": b"", "var/d/new": b""}
    layers = tuple(unpacked(bench.data / "layers", name, content) for name, content in (("low", low), ("high", high)))
    script = "for word in /etc/motd /etc/kept /var/d/*; do busybox test -e $word && echo $word; done"
    script += "; busybox cat /secret; busybox rm /var/d/new; echo changed > /etc/kept; busybox ls /var/d"
    for _ in range(2):
        ended, output = bench.run(argv=("busybox", "sh", "-c", script), rootfs=RootFs(layers), mounts=())
        assert (ended.code, output) == (0, "/etc/kept\n/var/d/new\nsecret"), "each container begins anew"


def unpacked(home: Path, name: str, files: dict[str, bytes]) -> Path:
    """A layer of files that nobody but the image's root may touch."""
    content, folder = io.BytesIO(), home / name
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o700
            tar.addfile(member, io.BytesIO(data))
    folder.mkdir(parents=True)
    blob = home / f"{name}.tar"
    blob.write_bytes(content.getvalue())
    unpack(blob, folder, 1 << 30, host.image_users())
    return folder


def test_an_image_that_has_nothing_of_this_machine(bench: Bench) -> None:
    """A10: init, too, does without Python once it is inside; the working folder and the user are the image's."""
    if not bench.of_image:
        pytest.skip("about images")
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    layer = bench.data / "layers" / "bare"
    (layer / "bin").mkdir(parents=True)
    shutil.copy(busybox, layer / "bin/busybox")
    (layer / "etc").mkdir()
    (layer / "etc/hosts").symlink_to("/etc/shadow")
    for entry in (layer, *layer.rglob("*")):
        if (users := host.image_users()) is not None:
            os.chown(entry, users, users, follow_symlinks=False)
    script = "busybox id -u; busybox pwd; busybox grep -c localhost /etc/hosts; busybox touch /opt/ml/model/m /opt/ml/own"
    script += "; busybox nc -ll -p 8080 -e busybox tr a-z A-Z"
    rootfs = RootFs((layer,), 1000, 1000)
    argv = ("busybox", "sh", "-c", script)
    spec = bench.start(argv=argv, rootfs=rootfs, mounts=(), workdir="/made/here")
    await_until(lambda: can_dial(bench, spec), spec)
    assert exchange(bench.runtime.dial(spec.folder, 8080)) == b"HELLO"
    assert bench.output(spec).splitlines() == ["1000", "/made/here", "2"]
    assert (spec.ml / "model/m").exists()
    assert not (spec.ml / "own").exists()


def test_images_without_namespaces_are_refused_in_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data", DRIVERS["process"])
    with pytest.raises(OSError, match="images of your own need user namespaces") as refused:
        bench.start(rootfs=RootFs((tmp_path / "layers" / "x",)))
    assert refused.value.errno == errno.EOPNOTSUPP
    bench.leave_nothing()


@pytest.mark.parametrize(
    "rootfs",
    [
        RootFs(()),
        RootFs((Path("/a/x"), Path("/b/y"))),
        RootFs((Path("/a/x,upperdir=y"),)),
        RootFs((Path("/a/x"),), user=1 << 16),
        RootFs((Path("/a/x"),), group=-1),
        RootFs((Path("/a/x"),), groups=(1 << 20,)),
    ],
)
def test_images_that_make_no_sense_are_refused(isolating: Bench, rootfs: RootFs) -> None:
    with pytest.raises(OSError, match=r"layers of an image|users and groups"):
        isolating.start(rootfs=rootfs)


def can_dial(bench: Bench, spec: InstanceSpec) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        bench.runtime.dial(spec.folder, 8080).close()
        return True
    return False


def test_a_stuck_client_of_the_dialler_does_not_end_it(isolating: Bench) -> None:
    spec = isolating.start(SERVER.format(port=8080))
    isolating.says(spec, "ready")
    for words in (b"", b"\x90"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:
            folder = os.open(spec.folder, os.O_PATH)
            rude.connect(f"/proc/self/fd/{folder}/dial.sock")
            os.close(folder)
            rude.sendall(words)
    assert exchange(isolating.runtime.dial(spec.folder, 8080)) == b"HELLO"


def test_dial_in_the_host_network(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    spec = bench.start(SERVER.format(port=port), network="open")
    bench.says(spec, "ready")
    assert exchange(bench.runtime.dial(spec.folder, port)) == b"HELLO"


def test_isolation_from_the_network(isolating: Bench) -> None:
    """EnableNetworkIsolation: nothing is reachable but the container itself."""
    source = """
for address in (('127.0.0.1', {port}), ('192.0.2.1', 80)):
    try: socket.create_connection(address, 5); print('reached', address)
    except OSError as error: print(error.errno)
with socket.create_server(('127.0.0.1', 0)) as own: socket.create_connection(own.getsockname(), 5); print('own')
"""
    with socket.create_server(("127.0.0.1", 0)) as outside:
        ended, output = isolating.run(source.replace("{port}", str(outside.getsockname()[1])))
    assert output.splitlines() == [str(errno.ECONNREFUSED), str(errno.ENETUNREACH), "own"]
    assert ended.code == 0


@pytest.fixture
def front() -> Iterator[socket.socket]:
    """A server outside that sends back what it gets, each connection until its end."""

    def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                connection.sendall(piece)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
    server.join()


def test_the_one_way_out_of_an_isolated_network(isolating: Bench, front: socket.socket) -> None:
    """DG mkt-algo-model-internet-free: without isolation a model's code calls S3; here it reaches the front and nothing else."""
    source = """
import threading
front, other = ('127.0.0.1', {front}), ('127.0.0.1', {other})
def connected():
    for _ in range(500):
        try: return socket.create_connection(front, 5)
        except ConnectionRefusedError: time.sleep(0.01)
many = [connected() for _ in range(20)]
for number, one in enumerate(many): one.sendall(b'%d' % number)
print([int(one.recv(10)) for one in many] == list(range(20)))
large, back = os.urandom(5_000_000), bytearray()
def receive():
    while piece := many[0].recv(1 << 16): back.extend(piece)
reader = threading.Thread(target=receive)
reader.start()
many[0].sendall(large); many[0].shutdown(socket.SHUT_WR)
reader.join()
print(back == large)
for one in many: one.close()
for address in (other, ('192.0.2.1', 80)):
    try: socket.create_connection(address, 5); print('reached', address)
    except OSError as error: print(error.errno)
"""
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = {name: listener.getsockname()[1] for name, listener in (("front", front), ("other", other))}
        for name, port in ports.items():
            source = source.replace(f"{{{name}}}", str(port))
        ended, output = isolating.run(source, way_out=("127.0.0.1", ports["front"]))
    assert output.splitlines() == ["True", "True", str(errno.ECONNREFUSED), str(errno.ENETUNREACH)]
    assert ended.code == 0


def test_a_way_out_that_nobody_answers(isolating: Bench) -> None:
    """The front may be away for a moment: the container's connections break, and the next ones get through."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    source = f"""
while True:
    try:
        with socket.create_connection({address!r}, 5) as front:
            front.sendall(b'x'); answer = front.recv(5)
            if answer: break
    except OSError: pass
    print('away', flush=True); time.sleep(0.05)
print(answer)
"""
    spec = isolating.start(source, way_out=address)
    isolating.says(spec, "away")
    with socket.create_server(address) as listener:
        listener.settimeout(PATIENCE)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello")
            isolating.says(spec, "b'hello'")
    assert isolating.ended(spec).code == 0


# Peers

CALL = """
me = socket.gethostname()
with socket.create_server(('0.0.0.0', 8080)) as server:
    print('ready')
    for name in {others!r}:
        for _ in range(2000):
            try: call = socket.create_connection((name, 8080), 5); break
            except ConnectionRefusedError: time.sleep(0.01)
        call.sendall(me.encode()); call.shutdown(socket.SHUT_WR)
        client, (address, _) = server.accept()
        said = client.makefile().read()
        print('heard', said, address == socket.gethostbyname(said))
"""


class Cluster:
    """The containers of one job, of one driver."""

    def __init__(self, bench: Bench, name: str, count: int = 2) -> None:
        self.bench = bench
        self.peers = Peers(bench.data / "jobs" / name / "network", tuple(f"algo-{n}" for n in range(1, count + 1)))

    def start(self, source: str, host: str, **changes: object) -> InstanceSpec:
        others = [name for name in self.peers.hosts if name != host]
        return self.bench.start(source.replace("{others!r}", repr(others)), peers=self.peers, hostname=host, **changes)

    def is_gone(self) -> bool:
        return not (self.peers.folder / records.STARTED).exists()


def test_peers_reach_one_another_by_name_at_any_port(isolating: Bench) -> None:
    """DG your-algorithms-training-algo-running-container: containers use these names on the container network; each has all ports."""
    cluster, before = Cluster(isolating, "job", 3), socket.if_nameindex()
    specs = [cluster.start(CALL, host) for host in cluster.peers.hosts]
    assert socket.if_nameindex() == before, "nothing is made in the host's own network"
    heard = {}
    for spec in specs:
        assert isolating.ended(spec).code == 0, isolating.output(spec)
        heard[spec.hostname] = {tuple(line.split()[1:3]) for line in isolating.output(spec).splitlines()[1:]}
    assert heard == {
        "algo-1": {("algo-2", "True"), ("algo-3", "True")},
        "algo-2": {("algo-1", "True"), ("algo-3", "True")},
        "algo-3": {("algo-1", "True"), ("algo-2", "True")},
    }
    await_until(cluster.is_gone, None)


def test_peers_that_do_not_run_refuse_at_once(isolating: Bench) -> None:
    """A program tries again until its peer listens: it must not wait for an address that nobody has yet."""
    source = """
began = time.monotonic()
try: socket.create_connection(('algo-2', 8080), 30)
except OSError as error: print(error.errno, time.monotonic() - began < 1)
"""
    cluster = Cluster(isolating, "job")
    spec = cluster.start(source, "algo-1")
    assert isolating.ended(spec).code == 0
    assert isolating.output(spec).split() == [str(errno.ECONNREFUSED), "True"]


def test_peers_reach_nobody_else(isolating: Bench) -> None:
    """API EnableNetworkIsolation: no calls but between peers within a training cluster; another job has the same names."""
    waiting = Cluster(isolating, "other").start(SERVER.format(port=8081), "algo-2")
    isolating.says(waiting, "ready")
    cluster = Cluster(isolating, "job")
    quiet = cluster.start("print('ready'); signal.pause()", "algo-2")
    isolating.says(quiet, "ready")
    source = """
for address in (('algo-2', 8081), ('127.0.0.1', {port}), ('192.0.2.1', 80)):
    try: socket.create_connection(address, 5); print('reached', address)
    except OSError as error: print(error.errno)
"""
    with socket.create_server(("0.0.0.0", 0)) as outside:
        asking = cluster.start(source.replace("{port}", str(outside.getsockname()[1])), "algo-1")
        assert isolating.ended(asking).code == 0
    refused, unreachable = str(errno.ECONNREFUSED), str(errno.ENETUNREACH)
    assert isolating.output(asking).splitlines() == [refused, refused, unreachable]


def test_peers_have_the_way_out_and_can_be_dialled(isolating: Bench, front: socket.socket) -> None:
    source = SERVER.format(port=8080).replace("print('ready')", "\n    front()\n    print('ready')")
    call = f"""
def front():
    for _ in range(500):
        try: call = socket.create_connection({front.getsockname()!r}, 5); break
        except ConnectionRefusedError: time.sleep(0.01)
    call.sendall(b'x'); print(call.recv(1))
"""
    spec = Cluster(isolating, "job").start(call + source, "algo-1", way_out=front.getsockname())
    isolating.says(spec, "ready")
    assert isolating.output(spec).startswith("b'x'")
    assert exchange(isolating.runtime.dial(spec.folder, 8080)) == b"HELLO"


def test_the_network_of_peers_survives_a_restart_and_goes_with_the_last(isolating: Bench) -> None:
    cluster = Cluster(isolating, "job")
    first = cluster.start(SERVER.format(port=8080), "algo-1")
    isolating.says(first, "ready")
    record = records.read(cluster.peers.folder, records.STARTED)
    assert record is not None
    isolating.restart()
    second = cluster.start(
        "with socket.create_connection(('algo-1', 8080), 5) as call: call.sendall(b'x'); print(call.recv(1))", "algo-2"
    )
    assert isolating.ended(second).code == 0
    assert isolating.output(second) == "b'X'\n"
    assert records.read(cluster.peers.folder, records.STARTED) == record, "one switch served both"
    isolating.runtime.signal(first.folder, signal.SIGKILL)
    await_until(lambda: is_gone(records.Identity(*record["shim"])), None)
    third = cluster.start("print(socket.gethostbyname('algo-1'))", "algo-2")
    assert isolating.ended(third).code == 0, "a network that had gone is made again"


def test_peers_that_are_killed_from_outside_leave_nothing(isolating: Bench) -> None:
    """Of the shim, by the machine's user or the kernel: the container goes, and with the last one its network."""
    cluster = Cluster(isolating, "job")
    specs = [cluster.start(LOCK + "print('ready'); time.sleep(600)", host) for host in cluster.peers.hosts]
    record = records.read(cluster.peers.folder, records.STARTED)
    assert record is not None
    for spec in specs:
        isolating.says(spec, "ready")
        started = records.read(spec.folder, records.STARTED)
        assert started is not None
        os.kill(started["shim"][0], signal.SIGKILL)
    await_until(lambda: is_gone(records.Identity(*record["shim"])), None)
    assert all(lock_is_free(spec) for spec in specs)


def test_removing_the_network_of_peers_ends_it(isolating: Bench) -> None:
    cluster = Cluster(isolating, "job")
    spec = cluster.start("print('ready'); signal.pause()", "algo-1")
    isolating.says(spec, "ready")
    isolating.runtime.remove(cluster.peers.folder)
    isolating.runtime.remove(cluster.peers.folder)
    assert not cluster.peers.folder.exists()
    assert isolating.runtime.observe(spec.folder).state == "running"


def test_peers_without_networks_are_refused_in_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data", DRIVERS["process"])
    cluster = Cluster(bench, "job")
    with pytest.raises(OSError, match="several instances need networks of their own") as refused:
        cluster.start("pass", "algo-1", network="isolated")
    assert refused.value.errno == errno.EOPNOTSUPP
    bench.leave_nothing()


@pytest.mark.parametrize("changes", [{"network": "open"}, {"hostname": "algo-3"}, {"peers": Peers(Path("/x"), ("a", "a"))}])
def test_peers_that_make_no_sense_are_refused(isolating: Bench, changes: dict[str, object]) -> None:
    peers = Peers(isolating.data / "jobs/job/network", ("algo-1", "algo-2"))
    with pytest.raises(OSError, match="one of them"):
        isolating.start("", **{"peers": peers, **changes})


# Escapes

ESCAPE = """
import ctypes, glob, json
libc = ctypes.CDLL(None, use_errno=True)
found = {}

def attempt(name, action):
    try: outcome = action()
    except (OSError, ValueError) as error: outcome = 'denied: ' + str(error)
    found[name] = outcome

def call(function, *arguments):
    result = function(*arguments)
    if result == -1: raise OSError(ctypes.get_errno(), 'refused')
    return 'succeeded'

def read(path): return open(path, 'rb').read(100).decode('latin-1')
def listing(path): return os.listdir(path)
def write(path): open(path, 'w').write('x'); return 'written'

setup = json.load(open(ML + '/input/config/setup.json'))
data, home, host_pid = setup['data'], setup['home'], setup['pid']
control, dialler = data + '/run/control.sock', setup['folder'] + '/dial.sock'
for path in (data, data + '/jobs', data + '/run', home):
    attempt('list ' + path, lambda: listing(path))
for path in (data + '/credentials.json', setup['other'], control, '/etc/shadow', '/proc/1/environ', '/proc/kcore'):
    attempt('read ' + path, lambda: read(path))
for pid in ('1', str(host_pid), str(os.getppid())):
    for link in ('root', 'cwd'):
        attempt(f'list /proc/{pid}/{link}' + data, lambda: listing(f'/proc/{pid}/{link}' + data))
attempt('connect to control', lambda: socket.socket(socket.AF_UNIX).connect(control))
attempt('connect to dialler', lambda: socket.socket(socket.AF_UNIX).connect(dialler))
attempt('kill the server', lambda: os.kill(host_pid, 0))
attempt('kill everything', lambda: [n for n in range(2, 400) if n != os.getpid() and os.path.exists(f'/proc/{n}')])
for path in (
    '/usr/bin/evil', '/etc/evil', '/etc/hosts', sys.prefix + '/evil', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger',
    '/proc/sys/user/max_user_namespaces', '/sys/devices/system/cpu/cpu0/online', '/sys/fs/cgroup/evil',
):
    attempt('write ' + path, lambda: write(path))
attempt('mount', lambda: call(libc.mount, b'none', b'/tmp', b'tmpfs', 0, None))
attempt('remount /usr', lambda: call(libc.mount, None, b'/usr', None, 32 | 4096, None))
attempt('umount /etc/hosts', lambda: call(libc.umount2, b'/etc/hosts', 2))
attempt('umount /proc', lambda: call(libc.umount2, b'/proc', 2))
attempt('trace the server', lambda: call(libc.ptrace, 16, host_pid, None, None))
for name, flag in (('user', 0x10000000), ('mount', 0x20000), ('pid', 0x20000000), ('net', 0x40000000)):
    attempt('unshare ' + name, lambda: call(libc.unshare, flag))
for name in ('net', 'mnt', 'user', 'pid'):
    attempt('setns ' + name, lambda: call(libc.setns, os.open(f'/proc/{host_pid}/ns/{name}', os.O_RDONLY), 0))
held = [line for line in open('/proc/self/status') if line[:3] == 'Cap' and int(line.split()[1], 16)]
attempt('capabilities', lambda: held or 'denied: none')
attempt('no_new_privs', lambda: 'denied' if libc.prctl(39, 0, 0, 0, 0) == 1 else 'not set')
attempt('setuid program', lambda: subprocess.run(['su', '-c', 'true'], capture_output=True).returncode and 'denied')
attempt('chown', lambda: os.chown(ML + '/model', 1, 1))
attempt('setgroups', lambda: os.setgroups([0]))
attempt('mknod', lambda: os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0)))
chroot = [sys.executable, '-c', "import os; os.chroot('/tmp')"]
attempt('chroot', lambda: subprocess.run(chroot, capture_output=True).returncode and 'denied')
attempt('sethostname', lambda: socket.sethostname('evil'))
attempt('settime', lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
attempt('open by handle', lambda: call(libc.open_by_handle_at, 0, None, 0))
def descriptors():
    held = {n: os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')}
    return [goal for n, goal in held.items() if int(n) > 2 and not goal.startswith('/proc/')] or 'denied: none'
attempt('descriptors', descriptors)
os.symlink(data, ML + '/model/link')
attempt('follow a link out', lambda: listing(ML + '/model/link'))
attempt('leave by ..', lambda: listing('/opt/ml/../../../../../../..' + data))
usual = 'console core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero'.split()
attempt('devices', lambda: sorted(set(os.listdir('/dev')) - set(usual)) or 'denied: none')
secret = setup['secret'].replace('|', '').encode()
attempt('secrets in the environment', lambda: secret in open('/proc/self/environ', 'rb').read() or 'denied: none')
print(json.dumps(found))
"""


def test_a_container_cannot_get_out(isolating: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEWRIGHT_SECRET", "hidden-treasure")
    (isolating.data / "credentials.json").write_text("hidden-treasure")
    other = isolating.start("print('ready'); signal.pause()")
    isolating.says(other, "ready")
    with socket.socket(socket.AF_UNIX) as control:
        folder = os.open(isolating.host.run, os.O_PATH)
        control.bind(f"/proc/self/fd/{folder}/control.sock")
        os.close(folder)
        control.listen()
        spec = isolating.spec(ESCAPE)
        setup = {
            "data": str(isolating.data),
            "home": str(Path.home()) if Path.home() not in (Path("/"), Path("/root")) else "/no/home",
            "pid": os.getpid(),
            "other": str(other.folder / "stdout"),
            "folder": str(spec.folder),
            "secret": "hidden-|treasure",
        }
        (spec.ml / "input/config/setup.json").write_text(json.dumps(setup))
        isolating.runtime.start(spec)
        ended = isolating.ended(spec)
    output = isolating.output(spec)
    assert ended.code == 0, output
    found = json.loads(output)
    escapes = {name: outcome for name, outcome in found.items() if not str(outcome).startswith("denied")}
    # Init belongs to the container: what it shows of itself is the container's own.
    allowed = {"read /proc/1/environ", "kill everything", "setuid program"}
    if isolating.of_image:  # its files are its own, and so are its users, of which the host knows nothing
        allowed |= {"write /etc/evil", "capabilities", "chown", "setgroups", "chroot", "open by handle"}
    assert escapes.keys() <= allowed, escapes
    assert "hidden" not in output
    assert found["kill everything"] == [], "no process of the host is in sight"
    assert len(found) > 50


def test_a_container_cannot_harm_its_own_init(isolating: Bench) -> None:
    source = """
import ctypes
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGSTOP): os.kill(1, number)
try: os.kill(-1, signal.SIGKILL)
except ProcessLookupError: pass
os.kill(0, signal.SIGCONT)
time.sleep(0.2); print('alive'); sys.exit(9)
"""
    ended, output = isolating.run(source)
    assert (ended.code, output) == (9, "alive\n")


def test_a_data_folder_below_a_shown_tree_is_masked(isolating: Bench) -> None:
    if isolating.of_image:
        pytest.skip("an image is shown nothing of this machine")
    hidden = Path(sys.base_prefix) / "include"
    isolating.host = Host(isolating.host.run, (hidden, isolating.data))
    isolating.restart()
    source = f"""
print(os.listdir({str(hidden)!r}))
try: open({str(hidden / "new")!r}, 'w')
except OSError as error: print(error.errno)
"""
    assert any(hidden.iterdir())
    ended, output = isolating.run(source)
    assert (ended.code, output.splitlines()) == (0, ["[]", str(errno.EROFS)])


# The fake


@pytest.fixture
def fake(tmp_path: Path) -> tuple[Fake, InstanceSpec]:
    folder = tmp_path / "algo-1"
    view.build(folder / "ml")
    return Fake(), InstanceSpec("key", "python", ("train",), folder, folder / "ml")


def test_the_fake_plays_a_program(fake: tuple[Fake, InstanceSpec]) -> None:
    runtime, spec = fake
    runtime.program = lambda spec: (spec.ml / "model/m").write_text("x") and 3
    runtime.start(spec)
    runtime.start(spec)
    assert len(runtime.started) == 1
    assert (runtime.observe(spec.folder).state, runtime.observe(spec.folder).code) == ("exited", 3)
    assert (spec.ml / "model/m").exists()
    runtime.remove(spec.folder)
    assert runtime.observe(spec.folder).state == "missing"


def test_the_fake_signals_loses_adopts_and_refuses(fake: tuple[Fake, InstanceSpec]) -> None:
    runtime, spec = fake
    runtime.refusal = OSError("no room")
    with pytest.raises(OSError, match="no room"):
        runtime.start(spec)
    runtime.refusal = None
    runtime.start(spec)
    again = Fake()
    assert again.observe(spec.folder).state == "running"
    again.start(spec)
    assert again.started == []
    again.signal(spec.folder, signal.SIGKILL)
    assert runtime.observe(spec.folder).code == 137
    other = InstanceSpec("other", "python", ("train",), spec.folder.with_name("algo-2"), spec.ml)
    runtime.start(other)
    runtime.lose(other.folder)
    runtime.start(other)
    assert runtime.observe(other.folder).state == "lost"


def test_the_fake_dials(fake: tuple[Fake, InstanceSpec]) -> None:
    runtime, spec = fake
    runtime.start(spec)
    with pytest.raises(ConnectionRefusedError):
        runtime.dial(spec.folder, 8080)
    with socket.create_server(("127.0.0.1", 0)) as server:
        runtime.serve(spec.folder, 8080, server.getsockname())
        runtime.dial(spec.folder, 8080).close()
    assert runtime.stats(spec.folder).disk > 0


def test_all_drivers_are_runtimes(tmp_path: Path) -> None:
    host = Host(tmp_path, ())
    drivers: list[Runtime] = [Fake(), *(driver(host) for driver in DRIVERS.values())]
    assert [driver.name for driver in drivers] == ["fake", "zygote", "sandbox", "sandbox", "process", "sandbox"]
    assert all(isinstance(driver, Supervised | Fake) for driver in drivers)
