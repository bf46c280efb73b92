"""What environments with an interpreter of their own are made of. Feature row G02."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from support.environments import define

from sagewright.compute import images
from sagewright.compute.environments.definition import DEFINITIONS, Definition, names
from sagewright.compute.environments.folder import Environments


def test_every_definition_pins_everything_and_belongs_to_an_image() -> None:
    assert "autogluon" in names(DEFINITIONS)
    for name in names(DEFINITIONS):
        definition = Definition.read(DEFINITIONS, name)
        assert images.preload(name), name
        assert definition.imports
        for requirement in definition.requirements:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+]*", requirement), requirement


def test_the_same_pins_are_the_same_environment(tmp_path: Path) -> None:
    one = Definition.read(define(tmp_path / "1", "tiny", "a==1", "b==2"), "tiny")
    same = Definition.read(define(tmp_path / "2", "tiny", "b==2", "a==1", imports=("a",)), "tiny")
    other = Definition.read(define(tmp_path / "3", "tiny", "a==1", "b==3"), "tiny")
    assert one.identity == same.identity
    assert one.identity != other.identity
    assert re.fullmatch(r"tiny-[0-9a-f]{12}", one.identity)


def test_a_name_without_a_definition(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Definition.read(define(tmp_path, "tiny"), "../tiny")


def test_what_is_not_built_is_listed_as_such(tmp_path: Path) -> None:
    definitions = define(tmp_path / "definitions", "tiny")
    (tmp_path / "root" / "tiny-2-0123456789ab").mkdir(parents=True)  # of another name that begins alike
    (tmp_path / "root" / "tiny-0123456789ab").mkdir()
    environments = Environments(tmp_path / "root", definitions)
    assert environments.interpreter("tiny") is None
    current, old = environments.standings()
    assert (current.name, current.folder, current.outdated, current.size()) == ("tiny", None, False, 0)
    assert (old.folder, old.outdated) == (tmp_path / "root" / "tiny-0123456789ab", True)


def test_autogluon_is_no_library_of_the_servers() -> None:
    """It runs in its own environment, so nothing of it is asked of the server's."""
    for repository in ("autogluon-training:1.3.0-cpu-py311", "autogluon-inference:1.3.0-cpu-py311"):
        image = images.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{repository}")
        assert (image.name, image.problem, image.missing) == ("autogluon", "", "")
        assert image.train_command("/env/bin/python")[0] == image.serve_command("/env/bin/python")[0] == "/env/bin/python"


def test_autogluon_lives_with_all_that_algorithms_stand_on() -> None:
    """Whatever an algorithm may import has to be in every environment that holds one."""
    project = tomllib.loads(Path(__file__).parents[2].joinpath("packages/algorithms/pyproject.toml").read_text())["project"]
    wanted = {re.split("[<>=]", dependency)[0] for dependency in project["dependencies"]} - {"sagewright-container"}
    pinned = {requirement.partition("==")[0] for requirement in Definition.read(DEFINITIONS, "autogluon").requirements}
    assert not wanted - pinned
