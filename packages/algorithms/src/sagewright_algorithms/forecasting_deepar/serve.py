"""The DeepAR endpoint: sampled paths of what follows, as means, quantiles or samples (DG:deepar-in-formats)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.common import accelerator, endpoint
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.requests import JSON, JSON_LINES, UnreadablePayloadError
from sagewright_algorithms.forecasting_deepar import artifact, request
from sagewright_algorithms.forecasting_deepar.forecasting import Forecaster, quantiles
from sagewright_algorithms.forecasting_deepar.request import Configuration, ForecastRequest
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters

_UNREADABLE = "unable to evaluate payload provided"


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> ForecastEndpoint:
    """Raises OSError, ValueError: the model or DEEPAR_INFERENCE_CONFIG cannot be read."""
    device = accelerator.prepare(threads=1)
    design, network = artifact.read(folder)
    configured = os.environ.get("DEEPAR_INFERENCE_CONFIG")
    default = Configuration().changed(orjson.loads(configured)) if configured else Configuration()
    return ForecastEndpoint(Forecaster(design, network.to(device), device), default)


class ForecastEndpoint:
    """All series that have arrived with the same number of samples are forecast at once."""

    def __init__(self, forecaster: Forecaster, default: Configuration) -> None:
        self._forecaster = forecaster
        self._default = default
        self._inference = load_manifest("forecasting-deepar").inference

    def invoke(self, asked: list[Request]) -> list[Response]:
        """Errors stay with their request."""
        found = [self._question(item) for item in asked]
        answers: dict[int, Iterator[Floats]] = {}
        for samples in {item.configuration.num_samples for item in found if isinstance(item, ForecastRequest)}:
            answers[samples] = self._paths([item for item in found if isinstance(item, ForecastRequest)], samples)
        return [
            item if isinstance(item, Response) else _answer(item, answers[item.configuration.num_samples], given)
            for item, given in zip(found, asked, strict=True)
        ]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters()

    def _question(self, asked: Request) -> ForecastRequest | Response:
        try:
            content_type = endpoint.media_type(asked.content_type)
            if content_type and content_type not in self._inference.request_types:
                raise InvalidRequestError(415, f"Content-type {asked.content_type} not supported")
            endpoint.accepted(asked.accept, self._inference.default_response_type, self._inference)
            found = request.read(asked.body, content_type, self._forecaster.design, self._default)
            if not len(found):
                raise InvalidRequestError(400, f"{_UNREADABLE}: it holds no time series")
        except UnreadablePayloadError as error:
            return Response(400, f"{_UNREADABLE}: {error}".encode())
        except InvalidRequestError as error:
            return error.response
        return found

    def _paths(self, found: list[ForecastRequest], samples: int) -> Iterator[Floats]:
        """Of all series of the requests with so many samples, in their order."""
        series = [one for item in found if item.configuration.num_samples == samples for one in item.series]
        size = self._forecaster.rows_at_once(samples)
        for start in range(0, len(series), size):
            yield from self._forecaster.paths(series[start : start + size], samples)


def _answer(found: ForecastRequest, paths: Iterator[Floats], asked: Request) -> Response:
    """JSON Lines for JSON Lines; otherwise as Accept says."""
    predictions = [_prediction(next(paths), found.configuration) for _ in found.series]
    lines = found.lines or endpoint.media_type(asked.accept.partition(",")[0]) == JSON_LINES
    if not lines:
        return Response(200, _written({"predictions": predictions}), JSON, asked.custom_attributes)
    body = b"".join(_written(prediction) + b"\n" for prediction in predictions)
    return Response(200, body, JSON_LINES, asked.custom_attributes)


def _prediction(paths: Floats, wanted: Configuration) -> dict[str, Any]:
    """``paths`` [samples, prediction length]."""
    found: dict[str, Any] = {}
    if "quantiles" in wanted.output_types:
        found["quantiles"] = dict(zip(wanted.quantiles, quantiles(paths[None], wanted.levels)[:, 0], strict=True))
    if "samples" in wanted.output_types:
        found["samples"] = paths
    if "mean" in wanted.output_types:
        found["mean"] = paths.mean(axis=0, dtype=np.float64)
    return found


def _written(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
