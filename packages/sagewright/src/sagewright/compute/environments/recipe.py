"""What belongs into an environment for a version of a framework: which package the tag's version is of, what AWS's image has beside it.

Libraries of a framework's time go with it: pip would put today's pandas beside the scikit-learn of 2022. ``eras`` has the day after
which nothing of that time appeared, for all versions below the one named; newer versions take what there is.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from importlib import metadata

from sagewright.compute.environments.edition import Edition, numbers
from sagewright_algorithms.manifest import installed


@dataclass(frozen=True, slots=True)
class Recipe:
    """``package`` is what the tag's version is of (empty: of Python itself), ``title`` what people call it.

    ``beside`` are further requirements, ``imports`` must be importable, ``names`` are other packages of the same contents, which
    the server's own environment may have.
    """

    title: str
    package: str
    beside: tuple[str, ...]
    imports: tuple[str, ...]
    eras: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()

    def until(self, version: str) -> str:
        """The day for uv's --exclude-newer, or empty."""
        return next((day for below, day in self.eras if numbers(version) < numbers(below)), "")

    def constraints(self, version: str) -> tuple[str, ...]:
        """What packages of that time need and do not say: NumPy 2 broke what was compiled before it."""
        below = _BEFORE_NUMPY_2.get(self.package, "")
        return ("numpy<2",) if below and numbers(version) < numbers(below) else ()

    def own_version(self) -> str:
        """What the server's own environment has of it, or empty."""
        if not self.package:
            return f"{sys.version_info.major}.{sys.version_info.minor}"
        return _first_version((self.package, *self.names))

    def is_in_own(self) -> bool:
        """Whether the server's own environment has everything that has to be importable."""
        return all(installed(module.partition(".")[0]) for module in self.imports)  # a parent would be imported

    def requirement(self, edition: Edition) -> str:
        """Exactly what the tag names."""
        return f"{self._package(edition)}=={edition.version}.*" if edition.version else self.package

    def nearest(self, edition: Edition) -> tuple[str, str]:
        """The first version after it and the last one before it, as requirements."""
        package = self._package(edition)
        return f"{package}>={edition.version}", f"{package}<{edition.version}"

    def _package(self, edition: Edition) -> str:
        """XGBoost's package holds CUDA since 2.1, which its sibling leaves out."""
        return "xgboost-cpu" if self.package == "xgboost" and numbers(edition.version) >= (3,) else self.package


@functools.cache
def _first_version(names: tuple[str, ...]) -> str:
    """Asked at every start: the server's environment does not change while it runs."""
    for name in names:
        try:
            return metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return ""


_BEFORE_NUMPY_2 = {"scikit-learn": "1.4.2", "xgboost": "2.1", "torch": "2.3", "tensorflow-cpu": "2.18"}

RECIPES = {
    "sklearn": Recipe(
        "scikit-learn",
        "scikit-learn",
        ("numpy", "scipy", "pandas", "joblib"),
        ("sklearn.ensemble", "pandas"),
        (
            ("1.0", "2021-09-01"),
            ("1.1", "2022-05-01"),
            ("1.2", "2022-12-01"),
            ("1.3", "2023-06-01"),
            ("1.4", "2024-01-10"),
            ("1.5", "2024-05-15"),
            ("1.6", "2024-12-01"),
            ("1.7", "2025-06-01"),
        ),
    ),
    "xgboost": Recipe(
        "XGBoost",
        "xgboost",
        ("numpy", "scipy", "pandas", "scikit-learn"),
        ("xgboost", "pandas", "sklearn"),
        (
            ("1.3", "2020-12-01"),
            ("1.5", "2021-10-01"),
            ("1.6", "2022-04-01"),
            ("1.7", "2022-10-15"),
            ("2.0", "2023-09-01"),
            ("2.1", "2024-06-01"),
            ("3.0", "2025-03-01"),
        ),
        ("xgboost-cpu",),
    ),
    "pytorch": Recipe(
        "PyTorch",
        "torch",
        ("torchvision", "numpy", "scipy", "pandas", "scikit-learn"),
        ("torch", "pandas"),
        (
            ("1.13", "2022-10-15"),
            ("2.0", "2023-03-10"),
            ("2.1", "2023-10-01"),
            ("2.2", "2024-01-25"),
            ("2.3", "2024-04-20"),
            ("2.4", "2024-07-20"),
            ("2.5", "2024-10-10"),
            ("2.6", "2025-01-25"),
            ("2.7", "2025-04-20"),
            ("2.8", "2025-08-01"),
        ),
    ),
    "huggingface": Recipe(
        "PyTorch",
        "torch",
        ("numpy", "pandas", "scikit-learn", "datasets", "accelerate", "sentencepiece"),
        ("torch", "transformers"),
    ),
    "tensorflow": Recipe(
        "TensorFlow",
        "tensorflow-cpu",
        ("numpy", "pandas", "scikit-learn"),
        ("tensorflow",),
        (
            ("2.12", "2023-03-15"),
            ("2.13", "2023-07-01"),
            ("2.14", "2023-09-20"),
            ("2.15", "2023-11-10"),
            ("2.16", "2024-03-01"),
            ("2.17", "2024-07-01"),
            ("2.18", "2024-10-20"),
            ("2.19", "2025-03-10"),
        ),
        ("tensorflow",),
    ),
    "python": Recipe("Python", "", ("numpy", "pandas", "cloudpickle"), ("numpy",)),
}
"""By the environments of compute/images.py that exist in several versions."""

EVERYWHERE = ("pip", "boto3")
"""What every one of AWS's images has for its user."""
