"""`make bench`: prints every figure beside its target; exits 1 when one is missed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from benchmarks import (
    algorithms,
    clusters,
    compilation,
    containers,
    control,
    inference,
    jobs,
    load,
    modes,
    multi_model,
    optimization,
    rollout,
    serverless,
    streaming,
    training,
    transform,
    tuning,
)
from benchmarks.figures import Figure, print_figures

SUITES = {
    "jobs": jobs.figures,
    "clusters": clusters.figures,
    "inference": inference.figures,
    "containers": containers.figures,
    "rollout": rollout.figures,
    "streaming": streaming.figures,
    "compilation": compilation.figures,
    "optimization": optimization.figures,
    "control": control.figures,
    "training": training.figures,
    "modes": modes.figures,
    "algorithms": algorithms.figures,
    "tuning": tuning.figures,
    "serverless": serverless.figures,
    "transform": transform.figures,
    "multimodel": multi_model.figures,
}


def main() -> None:
    if not load.available():
        sys.exit("the benchmarks need wrk: apt-get install wrk")
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="suite", help=", ".join(SUITES))
    parser.add_argument("--rows", type=int, help="rows of the suite transform")
    asked = parser.parse_args()
    if asked.rows:
        SUITES["transform"] = partial(transform.figures, asked.rows)
    suites = asked.suites or [*SUITES]
    if len(suites) > 1:
        missed = [name for name in suites if not _apart(name, asked.rows)]
        sys.exit(f"missed in {', '.join(missed)}" if missed else 0)
    sys.exit(0 if _is_met(suites[0]) else 1)


def _apart(name: str, rows: int | None) -> bool:
    """Whether a suite met its figures, in a process of its own: what one has loaded, and its threads, would be in the next one's way."""
    options = [] if rows is None else [f"--rows={rows}"]
    return subprocess.run([sys.executable, "-m", "benchmarks", *options, name], check=False).returncode == 0


def _is_met(name: str) -> bool:
    print(f"{name} ({os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} before)", flush=True)
    figures = _figures(name)
    print_figures(figures)
    return all(figure.met is not False for figure in figures)


def _figures(name: str) -> list[Figure]:
    """A suite that fails is a figure that is missed; the others still run."""
    try:
        return SUITES[name]()
    except Exception as problem:  # noqa: BLE001
        traceback.print_exc()
        return [Figure(name, f"failed: {problem}"[:200], met=False)]


main()
