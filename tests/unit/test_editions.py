"""From a tag to an environment of that version: names, policy, and what is asked of the registry. Feature row G02."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from sagewright.compute.environments import pythons
from sagewright.compute.environments.definition import Definition
from sagewright.compute.environments.edition import Edition
from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.recipe import RECIPES
from sagewright.compute.environments.resolution import Unsatisfiable, resolve

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = {"3.9": "/3.9/python", OWN: sys.executable, "3.12": "/3.12/python"}


class Registry:
    """Knows which versions of one package there are for which Python; every other requirement can be had."""

    def __init__(self, package: str, **versions: list[str]) -> None:
        self.package = package
        self.versions = {f"3.{name[3:]}": found for name, found in versions.items()}
        self.asked: list[tuple[str, tuple[str, ...], str]] = []
        self.keeps_dates = True

    def __call__(self, python: str, requirements: Iterable[str], *, lowest: bool = False, until: str = "") -> list[str]:
        wanted = tuple(requirements)
        self.asked.append((python, wanted, until))
        if until and not self.keeps_dates:
            raise Unsatisfiable("no dates")
        version = next(version for version, path in PYTHONS.items() if path == python)
        return [self._pin(wanted[0], self.versions.get(version, []), lowest), *(f"{name}==1" for name in wanted[1:])]

    def _pin(self, wanted: str, there: list[str], lowest: bool) -> str:
        name, operator, text = next(
            (self.package, sign, wanted.partition(sign)[2]) for sign in ("==", ">=", "<") if sign in wanted
        )
        exact = text.removesuffix(".*")
        fitting = {
            "==": [
                version for version in there if version == exact or (text.endswith("*") and version.startswith(f"{exact}."))
            ],
            ">=": [version for version in there if _key(version) >= _key(exact)],
            "<": [version for version in there if _key(version) < _key(exact)],
        }[operator]
        if not fitting:
            raise Unsatisfiable(f"no {wanted}")
        return f"{name}=={(min if lowest else max)(fitting, key=_key)}"


def _key(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.mark.parametrize(
    "name", ["sklearn@1.2", "pytorch@2.6.0-py312", "huggingface@2.8.0-transformers4.56.2-py312", "python@-py310"]
)
def test_a_name_says_all_of_an_edition(name: str) -> None:
    edition = Edition.parse(name)
    assert edition is not None
    assert edition.name == name


@pytest.mark.parametrize("name", ["sklearn", "../x@1", "sklearn@1.2/..", "sklearn@1.2-1", "@1"])
def test_other_words_are_no_edition(name: str) -> None:
    assert Edition.parse(name) is None


def test_the_version_of_the_tag_with_libraries_of_its_time() -> None:
    registry = Registry("scikit-learn", py311=["1.2.1", "1.2.2", "1.9.1"], py39=["1.2.2"], py312=["1.9.1"])
    found = resolve(Edition("sklearn", "1.2"), registry, PYTHONS)
    assert (found.python, found.requirements[0], found.note) == (OWN, "scikit-learn==1.2.2", "")
    _, wanted, until = registry.asked[-1]
    assert {"pandas", "pip", "boto3", "numpy<2"} <= set(wanted)
    assert until == "2023-06-01"


def test_a_registry_that_keeps_no_dates_gives_what_there_is() -> None:
    registry = Registry("scikit-learn", py311=["1.2.2"])
    registry.keeps_dates = False
    assert resolve(Edition("sklearn", "1.2"), registry, PYTHONS).requirements[0] == "scikit-learn==1.2.2"


def test_the_python_of_the_tag_comes_first_and_another_one_is_said() -> None:
    registry = Registry("torch", py312=["2.6.0"], py311=["2.6.0"])
    assert resolve(Edition("pytorch", "2.6.0", "3.12"), registry, PYTHONS).python == "3.12"
    other = resolve(Edition("pytorch", "2.6.0", "3.6"), registry, PYTHONS)
    assert other.python == OWN
    assert other.note == f"PyTorch 2.6.0 runs on Python {OWN}; the image's tag names Python 3.6."


@pytest.mark.parametrize(
    ("versions", "python", "nearest"),
    [
        ({"py39": ["0.24.0", "1.0.2"], "py311": ["1.2.2"]}, "3.9", "0.24.0"),
        ({"py39": ["0.20.1", "0.22.2"], "py311": ["0.21.0"]}, "3.9", "0.22.2"),
    ],
)
def test_the_nearest_version_is_taken_and_said(versions: dict[str, list[str]], python: str, nearest: str) -> None:
    """The next one after it, else the last one before it."""
    found = resolve(Edition("sklearn", "0.23"), Registry("scikit-learn", **versions), PYTHONS)
    assert (found.python, found.requirements[0]) == (python, f"scikit-learn=={nearest}")
    assert found.note == (
        "The image's tag names scikit-learn 0.23, which cannot be had for a Python of this machine. "
        f"The nearest version runs: {nearest}, on Python {python}."
    )


def test_nothing_of_it_is_said_in_the_registrys_words() -> None:
    with pytest.raises(Unsatisfiable, match=r"no scikit-learn<1\.2"):
        resolve(Edition("sklearn", "1.2"), Registry("scikit-learn"), PYTHONS)


def test_hugging_face_pins_transformers_too() -> None:
    registry = Registry("torch", py312=["2.8.0"])
    resolve(Edition("huggingface", "2.8.0", "3.12", "4.56.2"), registry, PYTHONS)
    assert "transformers==4.56.2" in registry.asked[-1][1]


def test_the_base_image_is_its_python_and_no_other() -> None:
    """What one Python has pickled another cannot read (remote functions)."""
    assert resolve(Edition("python", python="3.9"), lambda *_, **__: ["pip==1"], PYTHONS).python == "3.9"
    with pytest.raises(Unsatisfiable, match=r"Python 3\.10 is not installed on this machine"):
        resolve(Edition("python", python="3.10"), lambda *_, **__: [], PYTHONS)


def test_xgboost_comes_without_cuda_where_there_is_such_a_package() -> None:
    registry = Registry("xgboost", py311=["1.7.6"])
    resolve(Edition("xgboost", "1.7"), registry, PYTHONS)
    assert registry.asked[0][1] == ("xgboost==1.7.*",)
    assert RECIPES["xgboost"].requirement(Edition("xgboost", "3.0")) == "xgboost-cpu==3.0.*"


def test_the_servers_own_python_is_among_the_machines() -> None:
    assert pythons.installed()[OWN] == sys.executable
    assert all(Path(python).exists() for python in pythons.installed().values())


class TestPolicy:
    """Decision 11: what runs in the server's own Python, what is built, and what is said."""

    def test_the_servers_own_stands_for_another_version_and_says_so(self, tmp_path: Path) -> None:
        environments = Environments(tmp_path)
        assert environments.interpreter("sklearn@1.2") == sys.executable
        said = environments.said("sklearn@1.2")
        assert said.startswith("The image's tag names scikit-learn 1.2; the server's own scikit-learn ")
        assert "sagewright environments build sklearn@1.2" in said

    def test_the_servers_own_version_is_that_version(self, tmp_path: Path) -> None:
        version = ".".join(RECIPES["sklearn"].own_version().split(".")[:2])
        for images in ("own", "versions"):
            environments = Environments(tmp_path, images=images)  # type: ignore[arg-type]
            assert environments.interpreter(f"sklearn@{version}") == sys.executable
            assert environments.said(f"sklearn@{version}") == ""

    def test_with_versions_another_one_has_to_be_built(self, tmp_path: Path) -> None:
        assert Environments(tmp_path, images="versions").interpreter("sklearn@1.2") is None

    def test_one_that_is_built_is_taken_either_way_with_its_note(self, tmp_path: Path) -> None:
        definition = Definition("sklearn@0.23", "3.9", ("scikit-learn==0.24.0",), (), "the nearest version runs")
        definition.write(tmp_path / "editions")
        folder = tmp_path / definition.identity
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").touch()
        (folder / "lib/python3.9/site-packages").mkdir(parents=True)
        for images in ("own", "versions"):
            environments = Environments(tmp_path, images=images)  # type: ignore[arg-type]
            assert environments.interpreter("sklearn@0.23") == str(folder / "bin/python")
            assert environments.said("sklearn@0.23") == "the nearest version runs"

    def test_a_framework_that_the_server_lacks_is_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sagewright.compute.environments.recipe.installed", lambda module: False)
        assert Environments(tmp_path).interpreter("tensorflow@2.19.0-py312") is None

    def test_another_python_that_is_there_is_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pythons, "installed", lambda: PYTHONS)
        environments = Environments(tmp_path)
        assert environments.interpreter("python@-py39") is None
        assert environments.interpreter("python@-py38") == sys.executable
        assert "not on this machine" in environments.said("python@-py38")
        assert environments.interpreter(f"python@-py{OWN.replace('.', '')}") == sys.executable
