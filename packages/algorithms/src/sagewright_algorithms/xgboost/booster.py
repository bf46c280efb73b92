"""A model of libxgboost: trained round by round, or read from a file."""

from __future__ import annotations

import ctypes
import json
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sagewright_algorithms.common.libxgboost import check, handles, interface, native, strings
from sagewright_algorithms.xgboost.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Predictions:
    """``values`` row by row; ``width`` values per row (1, or the number of classes)."""

    values: list[float]
    width: int


class Booster:
    """Parameters, trees and attributes in the library's own memory; freed with the object."""

    def __init__(self, matrices: Sequence[Matrix] = (), handle: ctypes.c_void_p | None = None) -> None:
        self.handle = handle or ctypes.c_void_p()
        if handle is None:
            cache = handles([matrix.handle for matrix in matrices])
            check(native().XGBoosterCreate(cache, ctypes.c_uint64(len(matrices)), ctypes.byref(self.handle)))

    # Training

    def set_parameter(self, name: str, value: str) -> None:
        """Setting eval_metric again adds a metric; any other name is replaced."""
        check(native().XGBoosterSetParam(self.handle, name.encode(), value.encode()))

    def update(self, matrix: Matrix, round_: int) -> None:
        """One round of boosting; ``round_`` seeds the sampling."""
        check(native().XGBoosterUpdateOneIter(self.handle, ctypes.c_int(round_), matrix.handle))

    def evaluate(self, round_: int, watched: Sequence[tuple[Matrix, str]]) -> dict[tuple[str, str], float]:
        """The configured metrics as ``{(data name, metric): score}``, in the library's order."""
        matrices = handles([matrix.handle for matrix, _ in watched])
        names = strings([name for _, name in watched])
        text = ctypes.c_char_p()
        number, length = ctypes.c_int(round_), ctypes.c_uint64(len(watched))
        check(native().XGBoosterEvalOneIter(self.handle, number, matrices, names, length, ctypes.byref(text)))
        return dict(_scores((text.value or b"").decode(), [name for _, name in watched]))

    # Prediction

    def predict(self, matrix: Matrix, margin: bool = False) -> Predictions:
        """Predictions (or raw margins) for every row of a matrix."""
        return self._predicted(native().XGBoosterPredictFromDMatrix, matrix.handle, predict_config(margin))

    def predict_dense(self, values: array[float], columns: int, config: bytes) -> Predictions:
        """Predictions for float64 rows of ``columns`` values, without building a matrix; ``config`` from ``predict_config``."""
        address, length = values.buffer_info()
        data = b'{"data":[%d,false],"shape":[%d,%d],"typestr":"<f8","version":3}' % (address, length // columns, columns)
        return self._predicted(native().XGBoosterPredictFromDense, data, config, None)

    def predict_csr(self, starts: object, indices: object, values: object, columns: int, config: bytes) -> Predictions:
        """The same for compressed sparse rows (see Matrix.from_csr)."""
        parts = (interface(starts), interface(indices), interface(values), ctypes.c_uint64(columns))
        return self._predicted(native().XGBoosterPredictFromCSR, *parts, config, None)

    def _predicted(self, function: ctypes._NamedFuncPointer, *arguments: object) -> Predictions:
        shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        values = ctypes.POINTER(ctypes.c_float)()
        outputs = (ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(values))
        check(function(self.handle, *arguments, *outputs))
        sizes = shape[: dimensions.value]
        return Predictions(values[: math.prod(sizes)], math.prod(sizes[1:]))

    # Models

    def save(self, form: str = "ubj") -> bytes:
        """The model as UBJSON (``ubj``) or JSON (``json``), as stock xgboost reads it."""
        length, content = ctypes.c_uint64(), ctypes.POINTER(ctypes.c_char)()
        config = json.dumps({"format": form}).encode()
        check(native().XGBoosterSaveModelToBuffer(self.handle, config, ctypes.byref(length), ctypes.byref(content)))
        return ctypes.string_at(content, length.value)

    def load(self, content: bytes) -> None:
        """Reads a model that any xgboost since 1.0 wrote as JSON or UBJSON. Raises XgboostError for anything else."""
        check(native().XGBoosterLoadModelFromBuffer(self.handle, content, ctypes.c_uint64(len(content))))

    def serialize(self) -> bytes:
        """The snapshot (model and configuration) that a pickled Booster carries."""
        length, content = ctypes.c_uint64(), ctypes.POINTER(ctypes.c_char)()
        check(native().XGBoosterSerializeToBuffer(self.handle, ctypes.byref(length), ctypes.byref(content)))
        return ctypes.string_at(content, length.value)

    def unserialize(self, content: bytes) -> None:
        """Reads the snapshot (model and configuration) that a pickled Booster carries."""
        check(native().XGBoosterUnserializeFromBuffer(self.handle, content, ctypes.c_uint64(len(content))))

    def first_rounds(self, count: int) -> Booster:
        """A copy with only the first ``count`` rounds (tree boosters only)."""
        handle = ctypes.c_void_p()
        bounds = (ctypes.c_int(0), ctypes.c_int(count), ctypes.c_int(1))
        check(native().XGBoosterSlice(self.handle, *bounds, ctypes.byref(handle)))
        return Booster(handle=handle)

    def rounds(self) -> int:
        """Rounds of boosting done."""
        count = ctypes.c_int()
        check(native().XGBoosterBoostedRounds(self.handle, ctypes.byref(count)))
        return count.value

    def columns(self) -> int:
        """Number of features that the model was trained with."""
        count = ctypes.c_uint64()
        check(native().XGBoosterGetNumFeature(self.handle, ctypes.byref(count)))
        return count.value

    def configuration(self) -> dict[str, object]:
        """The library's configuration document (objective, booster, …)."""
        length, text = ctypes.c_uint64(), ctypes.c_char_p()
        check(native().XGBoosterSaveJsonConfig(self.handle, ctypes.byref(length), ctypes.byref(text)))
        document: dict[str, object] = json.loads(text.value or b"{}")
        return document

    def attribute(self, name: str) -> str | None:
        """A text stored with the model."""
        text, found = ctypes.c_char_p(), ctypes.c_int()
        check(native().XGBoosterGetAttr(self.handle, name.encode(), ctypes.byref(text), ctypes.byref(found)))
        return text.value.decode() if found.value and text.value is not None else None

    def set_attribute(self, name: str, value: str) -> None:
        """Stores a text with the model."""
        check(native().XGBoosterSetAttr(self.handle, name.encode(), value.encode()))

    def __del__(self) -> None:
        native().XGBoosterFree(self.handle)


def predict_config(margin: bool = False, rounds: int = 0) -> bytes:
    """The C API's prediction options; ``rounds`` limits the trees used, 0 means all."""
    kind = 1 if margin else 0
    text = '{"type":%d,"training":false,"iteration_begin":0,"iteration_end":%d,"missing":NaN,"strict_shape":false,"cache_id":0}'
    return (text % (kind, rounds)).encode()


def _scores(text: str, names: Sequence[str]) -> Iterator[tuple[tuple[str, str], float]]:
    """From ``[3]\\ttrain-auc:0.9\\tvalidation-auc:0.8``. A metric's name may hold "-": the data name decides."""
    for item in text.split("\t")[1:]:
        label, _, value = item.rpartition(":")
        name = next(name for name in names if label.startswith(name + "-"))
        yield (name, label[len(name) + 1 :]), float(value)
