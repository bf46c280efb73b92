"""A DMatrix of libxgboost: feature rows with labels, weights and query ids."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence

from sagewright_algorithms.common.libxgboost import check, interface, native
from sagewright_algorithms.common.threads import threads_for


class Matrix:
    """Feature rows in the library's own memory; freed with the object."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self.handle = handle

    @classmethod
    def from_dense(cls, values: object) -> Matrix:
        """``values``: a two-dimensional float32 buffer; NaN is a missing value."""
        handle = ctypes.c_void_p()
        check(native().XGDMatrixCreateFromDense(interface(values), _config(values), ctypes.byref(handle)))
        return cls(handle)

    @classmethod
    def from_csr(cls, starts: object, indices: object, values: object, columns: int) -> Matrix:
        """Sparse rows: buffers ``starts`` (u64, rows + 1), ``indices`` (u32) and ``values`` (float32); absent means missing."""
        handle = ctypes.c_void_p()
        parts = (interface(starts), interface(indices), interface(values))
        check(native().XGDMatrixCreateFromCSR(*parts, ctypes.c_uint64(columns), _config(values), ctypes.byref(handle)))
        return cls(handle)

    def set_info(self, field: str, values: object) -> None:
        """``field`` is label, weight, qid, label_lower_bound or label_upper_bound; a buffer with one value per row."""
        check(native().XGDMatrixSetInfoFromInterface(self.handle, field.encode(), interface(values)))

    def info(self, field: str) -> list[float]:
        """The values of ``label`` or ``weight``; empty when none were set."""
        length, values = ctypes.c_uint64(), ctypes.POINTER(ctypes.c_float)()
        check(native().XGDMatrixGetFloatInfo(self.handle, field.encode(), ctypes.byref(length), ctypes.byref(values)))
        return values[: length.value] if length.value else []

    def rows(self) -> int:
        """Number of rows."""
        count = ctypes.c_uint64()
        check(native().XGDMatrixNumRow(self.handle, ctypes.byref(count)))
        return count.value

    def columns(self) -> int:
        """Number of features."""
        count = ctypes.c_uint64()
        check(native().XGDMatrixNumCol(self.handle, ctypes.byref(count)))
        return count.value

    def values(self) -> int:
        """Number of values that are not missing."""
        count = ctypes.c_uint64()
        check(native().XGDMatrixNumNonMissing(self.handle, ctypes.byref(count)))
        return count.value

    def slice(self, rows: Sequence[int]) -> Matrix:
        """The given rows, in the given order, as a matrix of its own."""
        handle, chosen = ctypes.c_void_p(), array("i", rows)
        pointer = (ctypes.c_int * len(chosen)).from_buffer(chosen)
        length = ctypes.c_uint64(len(chosen))
        check(native().XGDMatrixSliceDMatrixEx(self.handle, pointer, length, ctypes.byref(handle), ctypes.c_int(1)))
        return Matrix(handle)

    def __del__(self) -> None:
        native().XGDMatrixFree(self.handle)


def _config(values: object) -> bytes:
    size = memoryview(values).nbytes // 4  # type: ignore[arg-type]
    return b'{"missing":NaN,"nthread":%d}' % threads_for(size)
