"""A model that is loaded, or the reason in the log why it is not."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

from sagewright_container.text_generation.configuration import ConfigurationError

Loaded = TypeVar("Loaded")


def loaded(load: Callable[[], Loaded]) -> Loaded | None:
    """None where it cannot be loaded."""
    try:
        return load()
    except ConfigurationError as error:
        print(error, file=sys.stderr, flush=True)
    except Exception:  # noqa: BLE001 - a model's own code may raise anything
        traceback.print_exc()
        print("Unable to load the model", file=sys.stderr, flush=True)
    return None
