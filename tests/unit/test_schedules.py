"""When scheduled actions are due: the user guide's examples, EventBridge's cron fields, time zones. Feature row K14."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagewright.neighbours.autoscaling.schedule import ScheduleError, parse


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(expression: str, after: str, timezone: str = "UTC", count: int = 1) -> list[str]:
    schedule, at, found = parse(expression, timezone, moment(after)), moment(after), []
    for _ in range(count):
        when = schedule(at)
        if when is None:
            return [*found, "never"]
        at = when
        found.append(datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("expression", "after", "found"),
    [
        ("at(2026-03-31T22:00:00)", "2026-01-01", ["2026-03-31T22:00:00", "never"]),
        ("rate(5 minutes)", "2026-01-01", ["2026-01-01T00:05:00", "2026-01-01T00:10:00"]),
        ("rate(1 day)", "2026-01-01", ["2026-01-02T00:00:00", "2026-01-03T00:00:00"]),
        ("cron(0 10 * * ? *)", "2026-01-01", ["2026-01-01T10:00:00", "2026-01-02T10:00:00"]),
        ("cron(15 12 * * ? *)", "2026-01-01T12:15:00", ["2026-01-02T12:15:00"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00:00", ["2026-01-05T18:00:00", "2026-01-06T18:00:00"]),
        ("cron(0 8 1 * ? *)", "2026-01-01T08:00:00", ["2026-02-01T08:00:00"]),
        ("cron(0/15 * * * ? *)", "2026-01-01", ["2026-01-01T00:15:00", "2026-01-01T00:30:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02T17:55:00", ["2026-01-05T08:00:00"]),
        ("cron(30 6 ? * 2 *)", "2026-01-01", ["2026-01-05T06:30:00"]),
        ("cron(0 0 L * ? *)", "2026-02-01", ["2026-02-28T00:00:00", "2026-03-31T00:00:00"]),
        ("cron(0 0 1W * ? *)", "2026-01-31", ["2026-02-02T00:00:00", "2026-03-02T00:00:00"]),
        ("cron(0 0 31W * ? *)", "2026-01-01", ["2026-01-30T00:00:00", "2026-03-31T00:00:00"]),
        ("cron(0 0 ? * 6#3 *)", "2026-01-01", ["2026-01-16T00:00:00"]),
        ("cron(0 0 ? * FRIL *)", "2026-01-01", ["2026-01-30T00:00:00"]),
        ("cron(0 0 29 FEB ? *)", "2026-01-01", ["2028-02-29T00:00:00"]),
        ("cron(0 0 1 1 ? 2027-2028)", "2026-01-01", ["2027-01-01T00:00:00", "2028-01-01T00:00:00", "never"]),
        ("cron(0,30 9 1,15 JAN,MAR ? *)", "2026-01-15T09:30:00", ["2026-03-01T09:00:00", "2026-03-01T09:30:00"]),
    ],
)
def test_times(expression: str, after: str, found: list[str]) -> None:
    assert following(expression, after, count=len(found)) == found


def test_time_zones() -> None:
    """Clocks that are put forward skip an hour: its times are left out."""
    assert following("cron(30 6 * * ? *)", "2026-01-01", "America/New_York") == ["2026-01-01T11:30:00"]
    assert following("cron(30 6 * * ? *)", "2026-07-01", "America/New_York") == ["2026-07-01T10:30:00"]
    assert following("cron(30 2 * * ? *)", "2026-03-28T12:00:00", "Europe/Vienna") == ["2026-03-30T00:30:00"]
    assert following("at(2026-07-01T12:00:00)", "2026-01-01", "Europe/Vienna") == ["2026-07-01T10:00:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "", "daily", "at(tomorrow)", "at(2026-02-30T00:00:00)", "rate(0 minutes)", "rate(5 weeks)", "rate(-1 days)", "cron()",
        "cron(* * * * *)", "cron(0 0 * * * *)", "cron(0 0 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)",
        "cron(0 0 * 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * MOON *)", "cron(5-1 0 * * ? *)", "cron(0/0 0 * * ? *)",
        "cron(0 0 ? * 6#9 *)", "cron(0 0 * * ? 1900)", "cron(٣ 0 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse(expression, "UTC", 0.0)


def test_what_is_no_time_zone() -> None:
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ScheduleError):
            parse("rate(1 day)", name, 0.0)
