"""The bucket ``jumpstart-cache-prod-<region>``: which objects there are, and their content."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from sagewright.jumpstart import archives, datasets, specification
from sagewright.jumpstart.offers import Offer, offers

_PREFIX = "jumpstart-cache-prod-"
_NAME = re.compile(_PREFIX + r"([a-z]{2}(?:-[a-z]+){1,3}-[0-9])")
MODIFIED = 1_704_067_200  # 2024-01-01: what is made anew is still the same

# list_jumpstart_models of the SDKs fails on an empty list; no SDK is new enough to show this entry.
_NOBODYS = [
    {
        "model_id": "marketplace-none-here",
        "version": "1.0.0",
        "min_version": "9999.0.0",
        "spec_key": "proprietary-models/none.json",
    }
]


@dataclass(frozen=True, slots=True)
class Content:
    """One object."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        """As S3 has it: MD5, without quotes."""
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


class Bucket:
    """The objects of one region. Made when they are asked for and kept: all together a few hundred kilobytes.

    Models that are trained when somebody asks for one (pretrained.py) are no objects before: ``trained`` names them.
    """

    def __init__(self, region: str) -> None:
        self._makers = _objects(region)
        self._keys = sorted(self._makers)
        self._made: dict[str, Content] = {}
        self._trained = {key: offer for offer in offers() if offer.trains for key in _models(offer)}

    def trained(self, key: str) -> Offer | None:
        """The offer whose trained model this is the key of."""
        return self._trained.get(key)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        """Those that start with the prefix and come after a key."""
        start = bisect_left(self._keys, prefix)
        return [key for key in self._keys[start:] if key.startswith(prefix) and key > after]

    def get(self, key: str) -> Content | None:
        """None when there is no such object."""
        if key not in self._made and key in self._makers:
            kind = (
                "application/json" if key.endswith(".json") else "text/csv" if key.endswith(".csv") else "binary/octet-stream"
            )
            self._made[key] = Content(self._makers[key](), kind)
        return self._made.get(key)


def bucket_name(region: str) -> str:
    """What AWS calls it."""
    return f"{_PREFIX}{region}"


def region_of(bucket: str) -> str:
    """Whose bucket of this name is; "" when it is not JumpStart's."""
    match = _NAME.fullmatch(bucket)
    return match[1] if match else ""


@lru_cache(64)
def of(region: str) -> Bucket:
    """The bucket of a region."""
    return Bucket(region)


def _objects(region: str) -> dict[str, Callable[[], bytes]]:
    found: dict[str, Callable[[], bytes]] = {
        "models_manifest.json": partial(_json, [_header(offer) for offer in offers()]),
        "proprietary-sdk-manifest.json": partial(_json, _NOBODYS),
    }
    for offer in offers():
        found |= {
            offer.specification: partial(_specification, offer, region),
            offer.training_script: partial(archives.training_script, offer),
            offer.inference_script: partial(archives.inference_script, offer),
            offer.training_artifact: partial(archives.training_artifact, offer),
        }
        if not offer.trains:
            found |= {key: partial(archives.inference_artifact, offer) for key in _models(offer)}
        found |= {f"{offer.dataset}{path}": partial(bytes, body) for path, body in datasets.files(offer.model.dataset).items()}
    return found


def _models(offer: Offer) -> tuple[str, str]:
    """The keys under which a model to deploy is found."""
    return offer.inference_artifact, offer.prepacked_artifact


def _header(offer: Offer) -> dict[str, object]:
    model = offer.model
    return {
        "model_id": model.id,
        "version": model.version,
        "min_version": specification.MINIMUM_SDK,
        "spec_key": offer.specification,
        "search_keywords": [offer.manifest.title, model.task],
    }


def _specification(offer: Offer, region: str) -> bytes:
    return _json(specification.of(offer, region))


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()
