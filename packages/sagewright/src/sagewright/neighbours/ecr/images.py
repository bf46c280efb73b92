"""Images of a repository, as the registry has them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.compute.oci import manifest
from sagewright.compute.oci.layout import Layout, StoredRepository
from sagewright.kernel.operation import Context
from sagewright.neighbours.ecr import rows
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store
from sagewright.store.rows import Document

Identifier = Mapping[str, str]


class Images:
    """The operations on images. Reading the registry's folder may block, so it is done in a thread."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store = store
        self._layout = layout

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "DescribeImages": self.describe,
            "ListImages": self.list,
            "BatchGetImage": self.batch_get,
            "BatchDeleteImage": self.batch_delete,
        }

    async def describe(self, context: Context, request: Document) -> Document:
        """DescribeImages: those that are named, or a page of all that the filter lets through, the newest first."""
        world, name, stored = await self._repository(context, request)

        def work() -> list[Document]:
            if request.get("imageIds"):
                digests = [_need(world, name, stored, identifier) for identifier in request["imageIds"]]
            else:
                digests = [digest for digest in reversed(stored.digests()) if _passes(request, bool(_tags(stored, digest)))]
            return [self._detail(world, name, stored, digest) for digest in dict.fromkeys(digests)]

        page, token = rows.page(await asyncio.to_thread(work), request)
        return {"imageDetails": page, **token}

    async def list(self, context: Context, request: Document) -> Document:
        """ListImages: an entry for each tag, and for each image without one."""
        _, _, stored = await self._repository(context, request)

        def work() -> list[Document]:
            found: list[Document] = []
            for digest in stored.digests():
                tags = _tags(stored, digest)
                if _passes(request, bool(tags)):
                    found += [{"imageDigest": digest, "imageTag": tag} for tag in tags] or [{"imageDigest": digest}]
            return found

        page, token = rows.page(await asyncio.to_thread(work), request)
        return {"imageIds": page, **token}

    async def batch_get(self, context: Context, request: Document) -> Document:
        """BatchGetImage: the manifests, whatever media types are accepted."""
        world, name, stored = await self._repository(context, request)

        def work() -> Document:
            images, failures = [], []
            for identifier in request["imageIds"]:
                digest = _find(stored, identifier)
                if digest is None:
                    failures.append(_failure(identifier))
                    continue
                text = self._layout.content(digest).decode()
                kind = _media_type(self._layout.document(digest))
                named = {"imageDigest": digest, **({"imageTag": identifier["imageTag"]} if "imageTag" in identifier else {})}
                common = {"registryId": world.account, "repositoryName": name}
                images.append({**common, "imageId": named, "imageManifest": text, "imageManifestMediaType": kind})
            return {"images": images, "failures": failures}

        return await asyncio.to_thread(work)

    async def batch_delete(self, context: Context, request: Document) -> Document:
        """BatchDeleteImage: a tag goes, and with its last tag the image; a digest takes all its tags along."""
        _, _, stored = await self._repository(context, request)

        def work() -> Document:
            removed: list[Document] = []
            failures = []
            for identifier in request["imageIds"]:
                digest = _find(stored, identifier)
                if digest is None:
                    failures.append(_failure(identifier))
                else:
                    removed += _remove(stored, digest, identifier)
            return {"imageIds": removed, "failures": failures}

        return await asyncio.to_thread(work)

    async def _repository(self, context: Context, request: Document) -> tuple[World, str, StoredRepository]:
        world, name = rows.world_of(context, request), request["repositoryName"]
        await self._store.read(lambda transaction: rows.found(transaction, world, name))
        return world, name, self._layout.repository(world, name)

    def _detail(self, world: World, name: str, stored: StoredRepository, digest: str) -> Document:
        document = self._layout.document(digest)
        tags = _tags(stored, digest)
        config = document.get("config", {}).get("mediaType")
        return {
            "registryId": world.account,
            "repositoryName": name,
            "imageDigest": digest,
            "imageSizeInBytes": manifest.size(document),
            "imagePushedAt": stored.pushed(digest),
            "imageManifestMediaType": _media_type(document),
            **({"artifactMediaType": config} if config else {}),
            **({"imageTags": tags} if tags else {}),
        }


def _remove(stored: StoredRepository, digest: str, identifier: Identifier) -> list[Document]:
    tags = _tags(stored, digest)
    if "imageTag" in identifier and len(tags) > 1:
        stored.remove_tag(identifier["imageTag"])
        return [{"imageDigest": digest, "imageTag": identifier["imageTag"]}]
    stored.remove_manifest(digest)
    return [{"imageDigest": digest, "imageTag": tag} for tag in tags] or [{"imageDigest": digest}]


def _find(stored: StoredRepository, identifier: Identifier) -> str | None:
    """The digest; None also where tag and digest are not of one image."""
    digest, tag = identifier.get("imageDigest"), identifier.get("imageTag")
    if tag is not None:
        named = stored.tags().get(tag)
        return named if digest in (None, named) else None
    return digest if digest is not None and stored.holds(digest) else None


def _need(world: World, name: str, stored: StoredRepository, identifier: Identifier) -> str:
    digest = _find(stored, identifier)
    if digest is None:
        raise rows.no_image(world, name, identifier)
    return digest


def _tags(stored: StoredRepository, digest: str) -> list[str]:
    return [tag for tag, named in stored.tags().items() if named == digest]


def _passes(request: Document, tagged: bool) -> bool:
    wanted = request.get("filter", {}).get("tagStatus", "ANY")
    return bool(wanted == "ANY" or tagged == (wanted == "TAGGED"))


def _failure(identifier: Identifier) -> Document:
    return {"imageId": dict(identifier), "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}


def _media_type(document: Mapping[str, Any]) -> str:
    """OCI's documents need not say what they are."""
    fallback = manifest.INDEXES[0] if "manifests" in document else "application/vnd.oci.image.manifest.v1+json"
    return str(document.get("mediaType") or fallback)
