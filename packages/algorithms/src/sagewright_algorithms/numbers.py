"""Many numbers out of text at once: the dearest step of a request with more than a few rows.

orjson reads a decimal in 20 ns where ``float`` takes 200. What it does not know as a number (``+1``, ``.5``, ``nan``, an empty
cell) is left to the callers' careful readers.
"""

from __future__ import annotations

from array import array

import orjson


def parse(text: bytes) -> array[float]:
    """The numbers between the commas, as float32. Raises ValueError when one of the cells is anything else."""
    if b"u" in text or b"l" in text:  # true, false and null are JSON too
        raise ValueError("not a number")
    try:
        return array("f", orjson.loads(b"[%b]" % text))
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error
