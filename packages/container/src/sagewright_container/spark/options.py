"""The words after ``smspark-submit``, as the SDKs' PySparkProcessor and SparkJarProcessor send them. Pure but for listing folders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """``app`` is the .py or .jar file, ``arguments`` its own; ``files`` by the name of spark-submit's option, comma-separated."""

    app: str
    arguments: tuple[str, ...]
    main_class: str
    files: dict[str, str]
    event_logs: str

    @classmethod
    def parse(cls, words: Sequence[str]) -> Options:
        """Exits with 2 and a usage line for words that mean nothing."""
        parser = argparse.ArgumentParser(prog="smspark-submit", allow_abbrev=False)
        parser.add_argument("--class", dest="main_class", default="")
        for name in _DEPENDENCIES:
            parser.add_argument(f"--{name}", default="")
        parser.add_argument("--local-spark-event-logs-dir", dest="event_logs", default="")
        parser.add_argument("-v", "--verbose", action="store_true")
        parser.add_argument("app")
        parser.add_argument("arguments", nargs=argparse.REMAINDER)
        found = parser.parse_args(words)
        files = {name: _expanded(getattr(found, name.replace("-", "_"))) for name in _DEPENDENCIES}
        return cls(
            found.app,
            tuple(found.arguments),
            found.main_class,
            {name: text for name, text in files.items() if text},
            found.event_logs,
        )

    def submit_words(self) -> list[str]:
        """For spark-submit."""
        words = [word for name, text in self.files.items() for word in (f"--{name}", text)]
        if self.main_class:
            words += ["--class", self.main_class]
        return [*words, self.app, *self.arguments]


_DEPENDENCIES = ("jars", "py-files", "files")


def _expanded(text: str) -> str:
    """A folder stands for the files in it: the SDKs name the one to which they had them brought."""
    found: list[str] = []
    for item in filter(None, text.split(",")):
        folder = Path(item)
        found += sorted(str(file) for file in folder.iterdir() if file.is_file()) if folder.is_dir() else [item]
    return ",".join(found)
