"""Packages besides an image's: layers of requirements that jobs share, and what a program installs itself. Feature rows G03, G14."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.environments import define, package

from sagewright.compute import capabilities, view, workbench
from sagewright.compute.environments import layer, pythons
from sagewright.compute.environments.build import BuildError, build, interpreter
from sagewright.compute.environments.definition import Definition
from sagewright.compute.environments.folder import Environments
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.supervised import Supervised, find_bubblewrap
from sagewright.compute.zygote import Zygote

PATIENCE = 60.0
DRIVERS: dict[str, Callable[[Host], Supervised]] = {
    "zygote": lambda host: Zygote(host, preload=lambda image: ("sagewright_container.__main__", "tiny")),
    "bubblewrap": lambda host: Sandbox(host),
    "namespaces": lambda host: Sandbox(host, None),
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The only packages that pip finds: tiny 1.0 and 2.0, another one that wants tiny 2."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        package(folder, "tiny", f"VERSION = {version!r}\n", version)
    package(folder, "wants", "import tiny\n", "1.0", requires="tiny>=2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        patch.setenv("UV_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module")
def python(wheels: Path) -> str:
    """An environment with tiny 1.0 and pip."""
    root = wheels / "data/environments"
    pip = _pip()
    requirements = [f"tiny @ {(wheels / 'tiny-1.0-py3-none-any.whl').as_uri()}"]
    folder = build(root, Definition.read(define(wheels / "definitions", "tiny", *requirements), "tiny"))
    site = next(folder.glob("lib/python*/site-packages"))
    for path in pip:  # pip itself is in every image; here from the server's own environment, without a network
        (site / path.name).symlink_to(path)
    return str(interpreter(folder))


def _pip() -> list[Path]:
    found = [path for folder in workbench.site_packages(sys.executable) for path in Path(folder).glob("pip*") if path.is_dir()]
    if not found:
        pytest.skip("the server's own environment has no pip")
    return found


@pytest.fixture
def environments(wheels: Path) -> Environments:
    return Environments(wheels / "data/environments", wheels / "definitions")


@pytest.fixture(params=["zygote", "bubblewrap", pytest.param("namespaces", marks=pytest.mark.slow)])
def runtime(request: pytest.FixtureRequest, wheels: Path) -> Iterator[Supervised]:
    if request.param == "bubblewrap" and find_bubblewrap() is None:
        pytest.skip("bubblewrap is not installed")
    if request.param in ("zygote", "namespaces") and (problem := capabilities.trial(lambda this: Sandbox(this, None))):
        pytest.skip(problem)
    data = wheels / "data"
    (data / "run").mkdir(parents=True, exist_ok=True)
    driver = DRIVERS[request.param](Host(data / "run", (data,)))
    yield driver
    if isinstance(driver, Zygote):
        driver.close()


async def test_a_layer_holds_what_the_image_lacks_and_is_made_once(environments: Environments, python: str) -> None:
    assert environments.layer(python, ["wants"]) is None
    first, again = await asyncio.gather(*(environments.prepare_layer(python, ["wants"]) for _ in range(2)))
    assert first == again == environments.layer(python, ["wants"])
    assert {path.name for path in first.glob("lib/python*/site-packages/*.py")} == {"tiny.py", "wants.py"}
    made = first.stat()
    assert await environments.prepare_layer(python, ["wants"]) == first
    assert first.stat() == made
    satisfied = await environments.prepare_layer(python, ["tiny"])
    assert satisfied != first
    assert list(satisfied.glob("lib/python*/site-packages/*.py")) == [], "the image has it"


async def test_what_cannot_be_had_is_said_in_the_installers_words_and_leaves_nothing(
    environments: Environments, python: str, wheels: Path
) -> None:
    with pytest.raises(BuildError, match="No matching distribution found for tiny==3"):
        await environments.prepare_layer(python, ["tiny==3"])
    assert environments.layer(python, ["tiny==3"]) is None
    assert not list((wheels / "data/environments/layers").glob(".*.partial"))


async def test_what_a_builder_that_died_has_left_is_removed(environments: Environments, python: str, wheels: Path) -> None:
    goal = layer.place(wheels / "data/environments", python, ["tiny>=1"])
    leftover = goal.with_name(f".{goal.name}.partial")
    (leftover / "bin").mkdir(parents=True)
    (leftover / "bin/python").write_text("half")
    assert await environments.prepare_layer(python, ["tiny>=1"]) == goal
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tiny\n# a comment\n\n wants >= 1 # another\n", ["tiny", "wants >= 1"]),
        ("tiny[extra]==1.0; python_version > '3.8'", ["tiny[extra]==1.0; python_version > '3.8'"]),
        ("", []),
        ("./tiny.whl", None),
        ("tiny @ file:///etc/passwd", None),
        ("--index-url=http://elsewhere/\ntiny", None),
        ("-r /etc/passwd", None),
        ("git+https://elsewhere/tiny", None),
        ("tiny==1.0 --hash=sha256:0", None),
        ("tiny \\\n==1", None),
    ],
)
def test_only_packages_by_name_are_layered(text: str, wanted: list[str] | None) -> None:
    """Everything else is read by pip, in the container."""
    assert layer.wanted(text) == wanted


def test_a_file_is_read_from_its_folder_only(tmp_path: Path) -> None:
    """Names come from requests, folders from archives."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("secret")
    (inside / "requirements.txt").write_text("tiny")
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "large").write_bytes(bytes(2 << 20))
    assert layer.content(inside, "requirements.txt") == b"tiny"
    for name in ("../secret", str(tmp_path / "secret"), "link", "large", "absent", ".", "a\0b", "x" * 5000):
        assert layer.content(inside, name) == b"", name


async def test_names_and_single_versions_need_no_pip_to_decide(python: str) -> None:
    assert layer.is_met(python, ["tiny", "Tiny == 1.0"])
    assert not layer.is_met(python, ["tiny==2.0"])
    assert not layer.is_met(python, ["tiny>=1"])


TOLD = """
import subprocess, sys, tiny
print("here", tiny.VERSION)
print("child", subprocess.run(["python", "-c", "import tiny; print(tiny.VERSION)"], capture_output=True, text=True).stdout.strip())
print("own", subprocess.run([sys.executable, "-c", "import tiny; print(tiny.VERSION)"], capture_output=True, text=True).stdout.strip())
"""


async def test_a_script_has_the_layers_version_whatever_was_in_memory(
    runtime: Supervised, environments: Environments, python: str, wheels: Path
) -> None:
    """In a fork of a zygote, too, which holds the image's version."""
    place = await environments.prepare_layer(python, ["tiny==2.0"])
    assert trained(runtime, wheels, python, {"train.py": TOLD}, layers=(place,)) == ["here 2.0", "child 2.0", "own 2.0"]
    assert trained(runtime, wheels, python, {"train.py": TOLD}) == ["here 1.0", "child 1.0", "own 1.0"]


INSTALLS = """
import importlib, subprocess, sys
words = ["install", "-q", "--no-index", "--find-links", "/opt/ml/code", "--disable-pip-version-check", "wants"]
subprocess.run([*COMMAND, *words], check=True)
importlib.invalidate_caches()
import wants
print("here", wants.tiny.VERSION)
print("child", subprocess.run(["python3", "-c", "import wants; print(wants.tiny.VERSION)"], capture_output=True, text=True).stdout.strip())
"""


@pytest.mark.parametrize("command", ['[sys.executable, "-m", "pip"]', '["pip"]'])
def test_a_script_installs_what_it_wants(runtime: Supervised, python: str, wheels: Path, command: str) -> None:
    """As on AWS, where Python lies in a folder that the container may write to; the image stays what it is."""
    files = {"train.py": INSTALLS.replace("COMMAND", command)}
    before = sorted(Path(python).parent.parent.rglob("*"))
    assert trained(runtime, wheels, python, files, wheels=wheels)[-1] == "child 2.0"
    assert sorted(Path(python).parent.parent.rglob("*")) == before


def test_requirements_that_were_not_layered_are_installed_by_the_container(
    runtime: Supervised, python: str, wheels: Path
) -> None:
    files = {"train.py": TOLD, "requirements.txt": "--no-index\n--find-links /opt/ml/code\nwants\n"}
    assert trained(runtime, wheels, python, files, wheels=wheels)[-3:] == ["here 2.0", "child 2.0", "own 2.0"]


def trained(
    runtime: Supervised,
    folder: Path,
    python: str,
    files: dict[str, str],
    layers: tuple[Path, ...] = (),
    wheels: Path | None = None,
) -> list[str]:
    """The lines that a script prints in script mode."""
    run = folder / "data/jobs/job"
    view.build(run / "ml")
    for name, text in files.items():
        (run / "ml/code" / name).write_text(text)
    for wheel in wheels.glob("*.whl") if wheels is not None else ():
        (run / "ml/code" / wheel.name).write_bytes(wheel.read_bytes())
    env = {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"}
    argv = (python, "-m", "sagewright_container", "train")
    runtime.start(InstanceSpec("job", "tiny", argv, run, run / "ml", env=env, python=python, layers=layers))
    try:
        return _lines(runtime, run)
    finally:
        runtime.remove(run)


def _lines(runtime: Supervised, run: Path) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while runtime.observe(run).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.005)
    output = (run / "stdout").read_text()
    assert runtime.observe(run).code == 0, output
    return [line for line in output.splitlines() if line.startswith(("here", "child", "own"))]


def test_a_layer_is_nobodys_to_write(python: str, wheels: Path) -> None:
    """Its programs are run by the container's own interpreter, and nothing leads to the place where it was made."""
    place = layer.make(wheels / "data/environments", python, ["wants"])
    assert not (place / "bin/python").exists()
    assert not list(place.rglob(workbench.MARKER))
    found = subprocess.run(["grep", "-rl", "partial", str(place)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


PYTHONS = [version for version in pythons.installed() if pythons.installed()[version] != sys.executable]


@pytest.mark.parametrize("version", [PYTHONS[0], PYTHONS[-1]] if len(PYTHONS) > 1 else PYTHONS)
def test_the_toolkit_runs_on_other_pythons_of_this_machine(runtime: Supervised, wheels: Path, version: str) -> None:
    """The oldest and the newest one: the shim in a zygote, the toolkit, a script."""
    definition = Definition(
        f"python@-py{version.replace('.', '')}", version, (f"tiny @ {next(wheels.glob('tiny-1*')).as_uri()}",), ()
    )
    other = str(interpreter(build(wheels / "data/environments", definition)))
    files = {"train.py": "import sys\nprint('here', '%d.%d' % sys.version_info[:2])\nimport tiny\nprint('own', tiny.VERSION)"}
    assert trained(runtime, wheels, other, files) == [f"here {version}", "own 1.0"]
