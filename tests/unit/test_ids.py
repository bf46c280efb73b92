"""Request ids."""

from __future__ import annotations

from uuid import UUID

from sagewright.base.ids import request_id


def test_a_request_id_is_a_random_uuid() -> None:
    ids = [request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {(UUID(text).version, UUID(text).variant, len(text)) for text in ids} == {(4, UUID(ids[0]).variant, 36)}
    assert UUID(ids[0]).variant == "specified in RFC 4122"
