"""Filter patterns of CloudWatch Logs for lines without structure (user guide, "Filter pattern syntax").

``a b`` both terms, ``?a ?b`` one of them, ``-a`` without it, ``"a b"`` a phrase; case counts. Patterns for JSON (``{ $.x = 1 }``), for
columns (``[a, b]``) and regular expressions (``%a+%``, which a caller could make run for ever) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"%]+))(?=\s|$)')


def parse(pattern: str) -> Callable[[str], bool]:
    """What tells whether a message matches; raises ValueError for a pattern that is malformed or not supported."""
    text = pattern.strip()
    if text.startswith(("{", "[", "%")):
        raise ValueError("Only terms are supported in a filter pattern; JSON, space-delimited and regular expressions are not")
    wanted, any_of, unwanted = _terms(text)
    if any_of and (wanted or unwanted):
        raise ValueError("Optional terms (?) cannot be combined with others in a filter pattern")

    def matches(message: str) -> bool:
        if any_of:
            return any(term in message for term in any_of)
        return all(term in message for term in wanted) and not any(term in message for term in unwanted)

    return matches


def _terms(text: str) -> tuple[list[str], list[str], list[str]]:
    kinds: dict[str, list[str]] = {"": [], "?": [], "-": []}
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None:
            raise ValueError(f"The filter pattern cannot be read at position {place}")
        phrase = match["phrase"]
        kinds[match["sign"]].append(match["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase))
        place = match.end()
    return kinds[""], kinds["?"], kinds["-"]
