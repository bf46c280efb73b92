"""`make bench`: prints every figure beside its target; exits 1 when one is missed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from benchmarks import algorithms, clusters, control, inference, jobs, load, modes, rollout, training, tuning
from benchmarks.figures import print_figures

SUITES = {
    "jobs": jobs.figures,
    "clusters": clusters.figures,
    "inference": inference.figures,
    "rollout": rollout.figures,
    "control": control.figures,
    "training": training.figures,
    "modes": modes.figures,
    "algorithms": algorithms.figures,
    "tuning": tuning.figures,
}


def main() -> None:
    if not load.available():
        sys.exit("the benchmarks need wrk: apt-get install wrk")
    missed = False
    for name in sys.argv[1:] or SUITES:
        print(f"{name} ({os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} before)", flush=True)
        figures = SUITES[name]()
        print_figures(figures)
        missed |= any(figure.met is False for figure in figures)
    sys.exit(1 if missed else 0)


main()
