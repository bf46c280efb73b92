"""Why a job failed, for DescribeTrainingJob: the file whose first 1 024 characters become FailureReason."""

from __future__ import annotations

from sagewright_container.layout import Layout


def write_failure(layout: Layout, text: str) -> None:
    """Replaces what an earlier attempt wrote."""
    layout.output.mkdir(parents=True, exist_ok=True)
    layout.failure.write_text(text, encoding="utf-8", errors="replace")
