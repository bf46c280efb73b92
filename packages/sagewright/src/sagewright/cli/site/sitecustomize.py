"""Lets an unchanged SageMaker SDK reach this server's STS.

Both SDKs build their STS client with a hard-coded ``https://sts.<region>.amazonaws.com``, which neither AWS_ENDPOINT_URL nor
AWS_ENDPOINT_URL_STS can change. With AWS_ENDPOINT_URL set, an explicit endpoint on amazonaws.com is dropped here, so that the
environment decides, as it does for every other service. Python imports a module of this name at start-up by itself; another
sitecustomize further down the path still runs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


def _drop_hard_coded_hosts(module: Any) -> None:
    create_client = module.Session.create_client

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        endpoint = kwargs.get("endpoint_url")
        if endpoint and ".amazonaws.com" in endpoint and os.environ.get("AWS_ENDPOINT_URL"):
            kwargs["endpoint_url"] = None
            kwargs.pop("use_ssl", None)
        return create_client(self, *args, **kwargs)

    module.Session.create_client = patched


class _Loader(Loader):
    """Runs the real loader of botocore.session, then patches the module."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _drop_hard_coded_hosts(module)


class _Finder(MetaPathFinder):
    """Finds botocore.session only, and only once: nothing is imported before the program asks for it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "botocore.session":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _run_the_next_sitecustomize() -> None:
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.meta_path.insert(0, _Finder())
_run_the_next_sitecustomize()
