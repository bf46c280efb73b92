"""The endpoint of SageMaker's SparkML image: CSV, JSON and JSON lines in, one column out (the README of AWS's container)."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

from sagewright_container.serving.content import media_type
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.sparkml.pipeline import Stage, run
from sagewright_container.sparkml.schema import Schema

_CSV, _JSON, _LINES = "text/csv", "application/json", "application/jsonlines"
_ACCEPTED = (_CSV, _LINES, f"{_LINES};data=text")
_NO_SCHEMA = "Input schema has to be provided either via environment variable or via the request"


class SparkEndpoint:
    """``schema`` is that of SAGEMAKER_SPARKML_SCHEMA; a request of JSON may bring another."""

    def __init__(self, stages: list[Stage], schema: Schema | None) -> None:
        self._stages = stages
        self._schema = schema

    def invoke(self, requests: list[Request]) -> list[Response]:
        """What is wrong with a request is a 400 with its words, as the container answers."""
        return [self._answer(request) for request in requests]

    def ping(self) -> Response:
        """The bundle was read before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """A record at a time, as many at once as there are processors."""
        document = {"MaxConcurrentTransforms": os.cpu_count(), "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 5}
        return Response(200, json.dumps(document).encode(), _JSON)

    def _answer(self, request: Request) -> Response:
        if not request.body.strip():
            return Response(204)
        try:
            accept = _accept(request.accept)
            schema, rows = self._read(request)
            output = schema.output
            found = run(self._stages, schema.frame(rows))
            if output.name not in found:
                raise ValueError(f"the pipeline makes no column {output.name}; it has {', '.join(found)}")
            text = "\n".join(output.written(found[output.name], accept))
        except InvalidRequestError as error:
            return error.response
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            return Response(400, str(error).encode())
        return Response(200, text.encode(), _CSV if accept == _CSV else _LINES, request.custom_attributes)

    def _read(self, request: Request) -> tuple[Schema, list[Any]]:
        kind = media_type(request.content_type)
        if kind == _JSON:
            document = json.loads(request.body)
            data = _data(document)
            schema = self._of(document.get("schema"))
            several = bool(data) and schema.inputs[0].struct == "basic" and isinstance(data[0], list)
            return schema, data if several else [data]
        if kind == _LINES:
            return self._of(None), [_data(json.loads(line)) for line in request.body.decode().splitlines() if line.strip()]
        if kind == _CSV:
            return self._of(None), [row for row in csv.reader(io.StringIO(request.body.decode())) if row]
        raise InvalidRequestError(415, f"Content type '{kind}' not supported")

    def _of(self, document: Any) -> Schema:
        if document is not None:
            return Schema.of(document)
        if self._schema is None:
            raise ValueError(_NO_SCHEMA)
        return self._schema


def _data(document: Any) -> list[Any]:
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise ValueError('a request is {"data": [value, …]}')
    found: list[Any] = document["data"]
    return found


def _accept(asked: str) -> str:
    """Raises ValueError."""
    given = asked if asked.strip() not in ("", "*/*") else os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    wanted = given.replace(" ", "").lower() or _CSV
    if wanted not in _ACCEPTED:
        raise ValueError("Accept value passed via request or environment variable is not valid")
    return wanted
