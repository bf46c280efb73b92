"""libxgboost through ctypes: finding it, calling it, describing memory to it.

Why not ``import xgboost``: that package pulls scipy and, where they are installed, pandas and scikit-learn (about one second
and 140 MB). The shared object alone loads in 15 ms. Nothing here starts an OpenMP region at import, so a zygote that has
imported this module may fork.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_TYPE_STRINGS = {"f": "<f4", "d": "<f8", "i": "<i4", "I": "<u4", "l": "<i8", "L": "<u8", "q": "<i8", "Q": "<u8"}


class XgboostError(Exception):
    """libxgboost refused; the text is the library's first line, without its stack trace."""


@cache
def native() -> ctypes.CDLL:
    """The loaded shared object. Raises ImportError when no xgboost distribution is installed."""
    package = importlib.util.find_spec("xgboost")
    if package is None or not package.submodule_search_locations:
        raise ImportError("no xgboost distribution (xgboost-cpu or xgboost) is installed")
    library = ctypes.CDLL(str(Path(package.submodule_search_locations[0]) / "lib" / "libxgboost.so"))
    library.XGBGetLastError.restype = ctypes.c_char_p
    return library


def check(code: int) -> None:
    """Raises XgboostError with the library's message unless ``code`` is 0."""
    if code:
        raise XgboostError(_message((native().XGBGetLastError() or b"").decode("utf-8", "replace")))


def handles(values: Sequence[ctypes.c_void_p]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of handles."""
    return (ctypes.c_void_p * len(values))(*values)


def strings(values: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    """A C array of texts."""
    return (ctypes.c_char_p * len(values))(*[value.encode() for value in values])


def interface(values: object) -> bytes:
    """The JSON array interface of a writable, C-contiguous buffer (array.array, a NumPy array). The caller keeps it alive."""
    view = memoryview(values)  # type: ignore[arg-type]
    address = ctypes.addressof(ctypes.c_char.from_buffer(view)) if view.nbytes else 0
    shape = ",".join(str(size) for size in view.shape or ())
    return b'{"data":[%d,false],"shape":[%s],"typestr":"%s","version":3}' % (
        address,
        shape.encode(),
        _TYPE_STRINGS[view.format].encode(),
    )


def _message(text: str) -> str:
    """``[12:00:00] /path/objective.cc:119: label must be in [0,1] … Stack trace: …`` without place and stack."""
    first = text.partition("\nStack trace:")[0].strip()
    head, found, rest = first.partition(": ")
    return rest.strip() if found and head.startswith("[") else first
