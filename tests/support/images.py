"""Images for tests, built and pushed as a user does: with podman, from nothing but this machine's own files.

podman needs no privileges and no runtime for that: ``FROM scratch`` and COPY run nothing. Its storage, its configuration and its
logins lie in a folder of the test; nothing of the user's is read or changed, and nothing stays mounted.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from support.server import Server

BUSYBOX = next((found for found in ("/bin/busybox", "/usr/bin/busybox") if Path(found).exists()), None)
PODMAN = shutil.which("podman")
REGISTRY = shutil.which("docker-registry")
MISSING = [name for name, found in {"podman": PODMAN, "docker-registry": REGISTRY, "busybox": BUSYBOX}.items() if not found]
WHY_NOT = f"not installed: {', '.join(MISSING)}" if MISSING else "" if os.geteuid() == 0 else "building images here needs root"


class Podman:
    """podman with everything it keeps below ``folder``; storage by plain copies, which needs no mounts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.policy = str(folder / "policy.json")
        folder.mkdir(parents=True)
        (folder / "containers.conf").write_text('[engine]\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\n')
        (folder / "registries.conf").write_text("unqualified-search-registries = []\n")
        (folder / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(storage)

    def __call__(self, *arguments: str, given: str = "") -> str:
        """Runs a command; its output. Raises AssertionError with what it said when it fails."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        assert PODMAN is not None
        return subprocess.run(
            [PODMAN, *arguments], input=given, env=self.environment(), capture_output=True, text=True, check=False
        )

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "CONTAINERS_CONF": str(self._folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self._folder / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(self._folder / "storage.conf"),
            "REGISTRY_AUTH_FILE": str(self._folder / "auth.json"),
            "TMPDIR": str(self._folder),
        }

    def build(self, tag: str, dockerfile: str, files: Mapping[str, str | bytes | Path]) -> None:
        """Of a Dockerfile and what it copies; files beginning with #! may be run. A path is moved there."""
        context = self._folder / f"context-{len(list(self._folder.glob('context-*')))}"
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                content.rename(context / name)
                continue
            data = content.encode() if isinstance(content, str) else content
            (context / name).write_bytes(data)
            (context / name).chmod(0o755 if data[:2] in (b"#!", b"\x7fE") else 0o644)
        self("build", "--signature-policy", self.policy, "--isolation", "chroot", "--layers=false", "-t", tag, str(context))


def shell_files() -> dict[str, bytes]:
    """What COPY needs for an image with a shell and nothing else."""
    assert BUSYBOX is not None
    return {"busybox": Path(BUSYBOX).read_bytes()}


SHELL = """FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
"""


PYTHON = """FROM scratch
ADD python.tar /
"""


TRAIN = """#!/usr/bin/python3
import json, os
parameters = json.load(open('/opt/ml/input/config/hyperparameters.json'))
rows = [float(row) for row in open('/opt/ml/input/data/train/rows.csv')]
mean = sum(rows) / len(rows) * float(parameters['factor'])
open('/opt/ml/model/mean.json', 'w').write(json.dumps({'mean': mean}))
print('trained', os.getuid(), os.getgid(), os.getgroups(), os.environ['HOME'], os.getcwd(), os.environ['TRAINING_JOB_NAME'], flush=True)
"""
SERVE = """#!/usr/bin/python3
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
mean = json.load(open('/opt/ml/model/mean.json'))['mean']

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/ping' else 404); self.send_header('Content-Length', '0'); self.end_headers()
    def do_POST(self):
        asked = float(self.rfile.read(int(self.headers['Content-Length'])))
        answer = json.dumps({'difference': asked - mean, 'user': os.getuid()}).encode()
        self.send_response(200); self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(answer))); self.end_headers(); self.wfile.write(answer)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(('0.0.0.0', 8080), Answers).serve_forever()
"""
MEAN = PYTHON + "COPY train serve /usr/bin/\nENV GREETING=hello\nWORKDIR /work\nUSER model\n"
"""An image that trains to the mean of a column times a factor, and serves the difference from it, as its user model."""


class Registry:
    """A user's podman, logged in at the server's registry."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.podman = Podman(folder)
        self.ecr = server.client("ecr")
        self.host = server.settings.url.removeprefix("http://")
        self.login()

    def login(self) -> None:
        granted = self.ecr.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
        host = granted["proxyEndpoint"].removeprefix("http://")
        self.podman("login", "--tls-verify=false", "--username", user, "--password-stdin", host, given=password)

    def push(self, image: str, name: str, tag: str = "latest") -> None:
        done = self.try_to_push(image, name, tag)
        assert done == "", done

    def try_to_push(self, image: str, name: str, tag: str) -> str:
        done = self.podman.run("push", "--tls-verify=false", image, f"{self.host}/{name}:{tag}")
        return done.stderr if done.returncode else ""


def python_files() -> dict[str, bytes]:
    """What ADD needs for an image with a shell, and with this Python as /usr/bin/python3: what a small HTTP server imports of it."""
    return {"python.tar": _python_tar()}


_MODULES = (
    "__future__, argparse, encodings.idna, http.server, json, logging, multiprocessing, pathlib, shlex, signal, socketserver, "
    "subprocess, sys, time, traceback, typing"
)
_LISTED = f"import {_MODULES}; print(json.dumps([m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)]))"


@functools.cache
def _python_tar() -> bytes:
    """Interpreter, what those modules import, bash for the drivers of SDK v3, and the libraries of it all, where they lie here."""
    assert BUSYBOX is not None
    program = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}").resolve()
    listed = subprocess.run([program, "-I", "-S", "-c", _LISTED], capture_output=True, text=True, check=True).stdout
    modules = [Path(file) for file in json.loads(listed)]
    encodings = Path(next(file for file in modules if file.parent.name == "encodings")).parent
    wanted = {program, Path("/bin/bash"), *modules, *encodings.glob("*.py")}
    wanted |= {library for file in tuple(wanted) if file.suffix != ".py" for library in _libraries(file)}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for file in sorted(wanted):
            tar.add(file.resolve(), str(file), filter=_of_root)
        applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
        links = {f"usr/bin/{applet}": "/bin/busybox" for applet in applets if applet != "busybox"}
        links |= {"bin/sh": "busybox", "usr/bin/python3": str(program), "usr/bin/pip3": "python3"}
        for name, goal in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, goal
            tar.addfile(link)
        tar.add(BUSYBOX, "bin/busybox", filter=_of_root)
        _text(tar, "etc/passwd", "root:x:0:0::/root:/bin/sh\nmodel:x:1234:1235::/home/model:/bin/sh\n")
        _text(tar, "etc/group", "root:x:0:\nmodel:x:1235:\nextra:x:77:other,model\n")
    return content.getvalue()


TOOLKIT = (
    PYTHON
    + """ADD toolkit.tar /
COPY train /usr/bin/train
COPY train.py /opt/ml/code/train.py
ENV PYTHONPATH=/site SAGEMAKER_PROGRAM=train.py
"""
)
"""An image as "adapting your own training container" of AWS's guide has it: sagemaker-training, and a script in /opt/ml/code."""
TOOLKIT_TRAIN = "#!/usr/bin/python3\nfrom sagemaker_training.cli.train import main\nmain()\n"


def toolkit_tar(folder: Path) -> Path:
    """AWS's package sagemaker-training with what it needs, and the whole standard library. Raises CalledProcessError without an index."""
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), "sagemaker-training"]
    subprocess.run(install, check=True, capture_output=True)
    library = Path(os.__file__).resolve().parent
    shared = [file for place in (site, library / "lib-dynload") for file in place.rglob("*.so*")]
    needed = {found for file in shared for found in _libraries(file) if site not in found.parents}
    with tarfile.open(folder / "toolkit.tar", "w") as tar:
        tar.add(library, str(library), filter=_without_tests)
        tar.add(site, "site", filter=_of_root)
        for file in sorted(needed):
            tar.add(file.resolve(), str(file), filter=_of_root)
    return folder / "toolkit.tar"


def _without_tests(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = {"test", "tests", "site-packages", "__pycache__", "idlelib", "tkinter", "ensurepip"}
    return None if left_out.intersection(member.name.split("/")) else _of_root(member)


def _libraries(file: Path) -> set[Path]:
    """What the loader loads besides, at the paths where it looks."""
    shown = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
    return {Path(word) for line in shown.splitlines() for word in line.split() if word.startswith("/")}


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _text(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(text.encode()))
