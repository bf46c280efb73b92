"""Runs a Python command in a forked interpreter as if it had just been started. Standard library only.

What a new interpreter would set up is set up again: argv, the import path, the main module, standard streams, random numbers,
the clock's zone. At the end come what the interpreter does at its own: threads, exit handlers, buffers.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import os
import signal
import sys
import threading
import time
from types import CodeType, ModuleType, TracebackType
from typing import NoReturn

from sagewright.compute import launch

_path: list[str] = []


def remember_path() -> None:
    """Notes the import path of an interpreter without PYTHONPATH, to which each run adds its own. Called before any fork."""
    given = os.environ.get("PYTHONPATH", "").split(":")
    _path[:] = [entry for entry in sys.path if entry and entry not in given]


def run(argv: list[str]) -> NoReturn:
    """Runs ``[python, script, …]`` or ``[python, "-m", module, …]`` with os.environ as it is, and exits with its code."""
    _fresh_interpreter(argv)
    code = _main(argv)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does before its exit handlers
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _fresh_interpreter(argv: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if hasattr(sys, "orig_argv"):  # since 3.10
        sys.orig_argv[:] = argv
    for name in [name for name in sys.modules if name.partition(".")[0] == "sagewright"]:
        del sys.modules[name]
    importlib.invalidate_caches()  # imports importlib.metadata, which is therefore imported above, once for all forks
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # seeded at import: the same in every fork (the standard random seeds itself)


def _open_streams() -> None:
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw: io.RawIOBase = io.FileIO(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(
            raw if unbuffered else io.BufferedWriter(raw),  # type: ignore[type-var]  # as the interpreter does under -u
            "utf-8",
            "strict" if name == "stdout" else "backslashreplace",
            line_buffering=name == "stderr",
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _main(argv: list[str]) -> int:
    try:
        module, code = _module(argv) if argv[1] == "-m" else _script(argv)
        sys.modules["__main__"] = module
        exec(code, module.__dict__)
    except SystemExit as error:
        return _status(error.code)
    except KeyboardInterrupt as error:
        _report(error)
        return 128 + signal.SIGINT
    except BaseException as error:  # noqa: BLE001 - the top of a program: everything is reported and ends it
        _report(error)
        return 1
    return 0


def _script(argv: list[str]) -> tuple[ModuleType, CodeType]:
    path = argv[1]
    if not os.path.isfile(path):  # noqa: PTH113 - a folder, an archive or nothing: the interpreter knows what to do or say
        launch.execute(argv, dict(os.environ))
    _import_from(os.path.dirname(os.path.abspath(path)), argv[1:])  # noqa: PTH100, PTH120 - sys.path holds strings
    module = ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    module.__dict__.update(__file__=path, __loader__=loader, __spec__=None, __package__=None, __cached__=None)
    return module, compile(loader.get_data(path), path, "exec", dont_inherit=True)


def _module(argv: list[str]) -> tuple[ModuleType, CodeType]:
    name = argv[2]
    _import_from(os.getcwd(), ["-m", *argv[3:]])  # noqa: PTH109 - sys.path holds strings
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    loader = spec.loader if spec is not None else None
    if spec is None or not isinstance(loader, importlib.machinery.SourceFileLoader):
        launch.execute(argv, dict(os.environ))
    code = loader.get_code(spec.name)
    assert code is not None
    sys.argv[0] = loader.path
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=loader.path, __loader__=loader, __spec__=spec, __package__=spec.parent, __cached__=spec.cached
    )
    return module, code


def _import_from(first: str, argv: list[str]) -> None:
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
    sys.path[:] = [first, *given, *_path]
    sys.argv[:] = argv


def _status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _report(error: BaseException) -> None:
    """Prints the traceback without the frames of this module."""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    error.__traceback__ = traceback
    sys.excepthook(type(error), error, traceback)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    ctypes.CDLL(None).fflush(None)
