"""Request payloads as DMatrix."""

from __future__ import annotations

from collections.abc import Callable

import xgboost

from sagewright_algorithms.xgboost.compatible.sagemaker_xgboost_container.matrices import of_rows
from sagewright_algorithms.xgboost.rows import Rows, read_csv, read_libsvm, read_recordio


def csv_to_dmatrix(string_like: str | bytes, dtype: object = None) -> xgboost.DMatrix:
    """Raises ValueError for what is no CSV."""
    return of_rows(read_csv(_bytes(string_like)))


def libsvm_to_dmatrix(string_like: str | bytes) -> xgboost.DMatrix:
    """Raises ValueError for what is no libsvm."""
    return of_rows(read_libsvm(_bytes(string_like)))


def recordio_protobuf_to_dmatrix(string_like: bytes) -> xgboost.DMatrix:
    """Raises ValueError for what is no RecordIO protobuf."""
    return of_rows(read_recordio(string_like))


def decode(obj: str | bytes, content_type: str) -> xgboost.DMatrix:
    """By content type. Raises ValueError for another one."""
    readers: dict[str, Callable[[bytes], Rows]] = {
        "text/csv": read_csv,
        "text/libsvm": read_libsvm,
        "text/x-libsvm": read_libsvm,
        "application/x-recordio-protobuf": read_recordio,
    }
    reader = readers.get(content_type.partition(";")[0].strip().lower())
    if reader is None:
        raise ValueError(f"Content type {content_type} is not supported.")
    return of_rows(reader(_bytes(obj)))


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
