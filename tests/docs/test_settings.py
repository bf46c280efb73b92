"""docs/guide says what the settings are and where things lie."""

from __future__ import annotations

import re
import subprocess
import sys

from docs.settings_page import OPTIONS, ROOT, written

GUIDE = ROOT / "docs" / "guide"


def test_the_committed_page_is_current() -> None:
    committed = (GUIDE / "settings.md").read_text()
    assert committed == written(), "run: python tests/docs/settings_page.py > docs/guide/settings.md"


def test_every_option_named_is_one_of_up() -> None:
    command = [sys.executable, "-m", "sagewright", "up", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')}" in text


def test_the_variables_and_commands_of_the_guide_exist() -> None:
    guide = (GUIDE / "operating.md").read_text()
    assert set(re.findall(r"SAGEWRIGHT_[A-Z0-9_]+", guide)) <= set(re.findall(r"SAGEWRIGHT_[A-Z0-9_]+", written()))
    command = [sys.executable, "-m", "sagewright", "--help"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in set(re.findall(r"`sagewright ([a-z]+)", guide)):
        assert re.search(rf"\b{name}\b", known), name
