"""Prints docs/coverage.md:  python tests/docs/coverage_page.py > docs/coverage.md"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
for part in ("tests", "packages/sagewright/src", "packages/container/src", "packages/algorithms/src"):
    sys.path.insert(0, str(ROOT / part))

from sagewright.app.parts import Parts  # noqa: E402
from sagewright.kernel.coverage import Mentions, Registered, page  # noqa: E402
from sagewright.settings import Settings  # noqa: E402
from sagewright.wire.model import SERVED  # noqa: E402

FRONT = frozenset(
    {
        ("sagemaker-runtime", "InvokeEndpoint"),
        ("sagemaker-runtime", "InvokeEndpointWithResponseStream"),
    }
)
"""What front/inference.py answers itself."""

DRIVEN_BY = "tests/fidelity/test_records.py"


def registered() -> tuple[Registered, Mentions]:
    """What the whole server registers, and which tests call it."""
    with TemporaryDirectory(prefix="sagewright-coverage-") as folder:
        return asyncio.run(_opened(Path(folder)))


async def _opened(folder: Path) -> tuple[Registered, Mentions]:
    parts = await Parts.open(Settings(data=folder))
    try:
        driven = [
            operation
            for kind in parts.engine.catalog
            if not kind.work and kind.create
            for operation in (kind.create, kind.describe, kind.list, kind.update, kind.delete)
            if operation
        ]
        mentions = Mentions().read(ROOT / "tests").add(driven, DRIVEN_BY)
        return Registered(parts.operations, parts.engine.refused, FRONT), mentions
    finally:
        await parts.close()


def written() -> str:
    """The page."""
    return page(*registered(), [served.name for served in SERVED])


if __name__ == "__main__":
    sys.stdout.write(written())
