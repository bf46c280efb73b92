"""When a scheduled action is due: at(…), rate(…) and cron(…) (Application Auto Scaling user guide, scheduled scaling).

The six fields of cron are EventBridge's: minutes, hours, day of month, month, day of week, year; with ``? * , - / L W #``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)")
_RATE = re.compile(r"rate\((\d{1,9}) (minute|minutes|hour|hours|day|days)\)")
_CRON = re.compile(r"cron\(([^()]{1,256})\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_LAST_YEAR = 2199
_HORIZON = 366 * 9
"""Days that are looked ahead: 29 February comes at least every eight years."""


class ScheduleError(ValueError):
    """The expression is none of the three forms."""


Following = Callable[[float], float | None]
"""From a time (epoch seconds) to the next one after it that is due, or None."""


def zone(name: str) -> tzinfo:
    """Raises ScheduleError for a time zone that there is not."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"there is no time zone {name}") from None


def parse(expression: str, timezone: str, begun: float) -> Following:
    """``begun`` is when a rate counts from (epoch seconds). Raises ScheduleError."""
    here = zone(timezone)
    if match := _AT.fullmatch(expression):
        return _once(match[1], here)
    if match := _RATE.fullmatch(expression):
        return _every(int(match[1]) * _SECONDS[match[2].rstrip("s")], begun)
    if match := _CRON.fullmatch(expression):
        cron = _cron(match[1])
        return lambda after: cron.following(after, here)
    raise ScheduleError("a schedule is at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields)")


def _once(text: str, here: tzinfo) -> Following:
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=here).timestamp()
    except ValueError:
        raise ScheduleError(f"there is no time {text}") from None
    return lambda after: when if when > after else None


def _every(seconds: int, begun: float) -> Following:
    if seconds <= 0:
        raise ScheduleError("the value of a rate must be positive")
    return lambda after: begun + (max(0, int((after - begun) // seconds)) + 1) * seconds


Days = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    day_of_month: Days
    months: frozenset[int]
    day_of_week: Days
    years: frozenset[int]

    def following(self, after: float, here: tzinfo) -> float | None:
        """The next time after this one on the clocks of a time zone."""
        now = datetime.fromtimestamp(after, here)
        for days in range(_HORIZON):
            day = now.date() + timedelta(days)
            if day.year > max(self.years):
                return None
            if self._on(day) and (found := self._of_day(day, after, here)) is not None:
                return found
        return None

    def _on(self, day: date) -> bool:
        return day.year in self.years and day.month in self.months and self.day_of_month(day) and self.day_of_week(day)

    def _of_day(self, day: date, after: float, here: tzinfo) -> float | None:
        """An hour that the clocks skip has no times; one that they repeat has them once."""
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=here)
                when = local.timestamp()
                if when > after and datetime.fromtimestamp(when, UTC).astimezone(here).hour == hour:
                    return when
        return None


@lru_cache(256)
def _cron(text: str) -> _Cron:
    fields = text.upper().split()
    if len(fields) != 6:
        raise ScheduleError("cron has six fields: minutes, hours, day of month, month, day of week, year")
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise ScheduleError("one of day of month and day of week must be ?")
    return _Cron(
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        _month_day(month_days),
        _numbers(months, 1, 12, _MONTHS),
        _week_day(week_days),
        _numbers(years, 1970, _LAST_YEAR),
    )


def _month_day(text: str) -> Days:
    if text == "?":
        return _any_day
    if text == "L":
        return lambda day: day.day == calendar.monthrange(day.year, day.month)[1]
    if match := re.fullmatch(r"(\d{1,2})W", text):
        wanted = int(match[1])
        if 1 <= wanted <= 31:
            return lambda day: day.day == _nearest_weekday(day, wanted)
    numbers = _numbers(text, 1, 31)
    return lambda day: day.day in numbers


def _week_day(text: str) -> Days:
    """1 is Sunday."""
    if text == "?":
        return _any_day
    if match := re.fullmatch(r"(\w+)#([1-5])", text):
        (wanted,), nth = _numbers(match[1], 1, 7, _DAYS), int(match[2])
        return lambda day: _of_week(day) == wanted and (day.day + 6) // 7 == nth
    if match := re.fullmatch(r"(\w+?)L", text):
        (wanted,) = _numbers(match[1], 1, 7, _DAYS)
        return lambda day: _of_week(day) == wanted and day.day + 7 > calendar.monthrange(day.year, day.month)[1]
    numbers = _numbers("7" if text == "L" else text, 1, 7, _DAYS)
    return lambda day: _of_week(day) in numbers


def _any_day(_: date) -> bool:
    return True


def _of_week(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _nearest_weekday(day: date, wanted: int) -> int:
    """The working day of the same month that is nearest to a day of it; 0 where the month has no such day."""
    last = calendar.monthrange(day.year, day.month)[1]
    if wanted > last:
        return 0
    match date(day.year, day.month, wanted).isoweekday():
        case 6:
            return wanted - 1 if wanted > 1 else 3
        case 7:
            return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _numbers(text: str, lowest: int, highest: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    """Of one field: numbers, names, ranges and steps, parted by commas."""
    found: set[int] = set()
    for part in text.split(","):
        whole, slash, step = part.partition("/")
        first, dash, last = whole.partition("-")
        low = lowest if first == "*" else _number(first, names)
        high = _number(last, names) if dash else (highest if first == "*" or slash else low)
        by = _number(step, None) if slash else 1
        if not lowest <= low <= high <= highest or by < 1:
            raise ScheduleError(f"{part} is none of {lowest} to {highest}")
        found |= set(range(low, high + 1, by))
    return frozenset(found)


def _number(text: str, names: Mapping[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ScheduleError(f"{text} is no number here")
    return int(text)
