"""``spark …``: what ``smspark-submit …`` does in AWS's image. The exit code is that of the application."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright_container.layout import Layout
from sagewright_container.spark import cluster
from sagewright_container.spark.configuration import Configuration
from sagewright_container.spark.options import Options

_SUBMIT = "org.apache.spark.deploy.SparkSubmit"


def main() -> int:
    """See the module docstring."""
    options = Options.parse(sys.argv[2:])
    layout = Layout.current()
    home = _home()
    if home is None or shutil.which("java") is None:
        print("Spark needs the Python package pyspark and a Java, which this container does not have.", file=sys.stderr)
        return 1
    try:
        configuration = _configuration(layout)
    except ValueError as error:
        print(f"configuration.json: {error}", file=sys.stderr)
        return 1
    place = _place(layout)
    # One alone may have no network but its loopback, and a name that nobody knows.
    environment = _environment(home, place["current_host"] if len(place["hosts"]) > 1 else "localhost", configuration)
    return _run(home, place, environment, _words(options, configuration, place))


def _run(home: Path, place: Mapping[str, Any], environment: dict[str, str], words: list[str]) -> int:
    """On one host the driver is everything; of several the first one's is."""
    host, hosts = place["current_host"], sorted(place["hosts"], key=_number)
    command = cluster.java_command(home, _SUBMIT, *words)
    if len(hosts) == 1:
        return subprocess.run(command, env=environment, check=False).returncode
    if host != hosts[0]:
        return cluster.follow_driver(home, host, hosts[0], environment)
    with cluster.driver_host(home, host, hosts, environment) as ending:
        code = subprocess.run(command, env=environment, check=False).returncode
        ending.well = code == 0
        return code


# The first stage waits for the executors of all hosts: Spark's own half a minute is too short where the machine is busy.
_ALL_HOSTS = {
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "5min",
}


def _words(options: Options, configuration: Configuration, place: Mapping[str, Any]) -> list[str]:
    """What SparkSubmit is told. The user's own properties win over ours."""
    hosts = sorted(place["hosts"], key=_number)
    alone = len(hosts) == 1
    master = f"local[{cluster.cores()}]" if alone else f"spark://{hosts[0]}:{cluster.MASTER_PORT}"
    properties = {"spark.ui.enabled": "false"}
    if not alone:
        properties |= {"spark.driver.host": place["current_host"], **_ALL_HOSTS}
        properties["spark.cores.max"] = str(cluster.cores() * len(hosts))
    if options.event_logs:
        Path(options.event_logs).mkdir(parents=True, exist_ok=True)
        properties |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": Path(options.event_logs).as_uri()}
    settings = [f"{name}={value}" for name, value in {**properties, **configuration.properties}.items()]
    return ["--master", master, *(word for setting in settings for word in ("--conf", setting)), *options.submit_words()]


def _environment(home: Path, host: str, configuration: Configuration) -> dict[str, str]:
    """The Python that runs this runs the application, on every host."""
    return {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_DIRS": "/tmp/spark",
        "SPARK_WORKER_DIR": "/tmp/spark-work",
        "SPARK_LOCAL_HOSTNAME": host,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        **configuration.environment,
    }


def _configuration(layout: Layout) -> Configuration:
    """Raises ValueError, also for a file that is not JSON."""
    file = layout.root / "processing" / "input" / "conf" / "configuration.json"
    if not file.is_file():
        return Configuration()
    found = Configuration.of(json.loads(file.read_text(encoding="utf-8")))
    for name in found.ignored:
        print(f"configuration.json: {name} means nothing here and is left out.", flush=True)
    return found


def _place(layout: Layout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((layout.root / "config" / "resourceconfig.json").read_text(encoding="utf-8"))
    return found


def _home() -> Path | None:
    """Spark lies in the package pyspark."""
    spec = importlib.util.find_spec("pyspark")
    return Path(spec.submodule_search_locations[0]) if spec is not None and spec.submodule_search_locations else None


def _number(host: str) -> int:
    return int(host.rpartition("-")[2])
