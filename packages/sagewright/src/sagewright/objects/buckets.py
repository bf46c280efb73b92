"""What is done with whole buckets."""

from __future__ import annotations

from sagewright.objects.s3 import Location, Objects


async def empty(objects: Objects) -> None:
    """Deletes every bucket and what is in it."""
    for bucket in await objects.buckets():
        async for stored in objects.list(Location(bucket, "")):
            await objects.delete(stored.location)
        await objects.delete(Location(bucket, ""))
