"""The IP Insights endpoint: how usual an address is for an entity (DG:ip-insights-inference-data-formats)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common import endpoint, ndarray_file, requests
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.ipinsights.events import Events, MalformedEventsError, joined, of_pairs, read_csv
from sagewright_algorithms.ipinsights.network import Network
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> endpoint.ModelEndpoint:
    """Raises OSError, ValueError, KeyError."""
    network = Network.of_arrays(ndarray_file.load(find(folder).read_bytes()))
    return endpoint.ModelEndpoint(Scorer(network), load_manifest("ipinsights").inference, EventReader(len(network.vectors)))


class EventReader:
    """Pairs of an entity and an address, as CSV or as ``features`` of JSON instances."""

    def __init__(self, buckets: int) -> None:
        self._buckets = buckets

    def read(self, body: bytes, content_type: str) -> Events:
        """Raises UnreadablePayloadError."""
        try:
            if content_type == requests.CSV:
                return read_csv(body, self._buckets)
            return of_pairs(requests.instances(body, content_type), self._buckets)
        except MalformedEventsError as error:
            raise requests.UnreadablePayloadError(str(error)) from error

    def joined(self, parts: list[Events]) -> Events:
        """The events of several payloads."""
        return joined(parts)


class Scorer:
    """Answers with dot products."""

    top = "predictions"

    def __init__(self, network: Network) -> None:
        self._network = network

    def predict(self, features: Events, verbose: bool) -> Columns:
        """Higher is more usual; ``verbose`` adds both vectors."""
        addresses = self._network.address_vectors(features.addresses)
        entities = self._network.vectors[features.entities]
        brief = {"dot_product": (entities * addresses).sum(axis=1)}
        return {**brief, "entity_embedding": entities, "ip_embedding": addresses} if verbose else brief
