"""Reading a channel into a DMatrix."""

from __future__ import annotations

from pathlib import Path

import xgboost

from sagewright_algorithms.xgboost.compatible.sagemaker_xgboost_container.matrices import of_examples
from sagewright_algorithms.xgboost.data import read_channel


def get_dmatrix(
    data_path: str, content_type: str, csv_weights: int = 0, is_pipe: bool = False, combine_train_val: bool = False
) -> xgboost.DMatrix | None:
    """All rows below ``data_path`` (a channel's folder); None when there are none. Raises UserError for data that cannot be read."""
    channel = {"ContentType": content_type, "TrainingInputMode": "Pipe" if is_pipe else "File"}
    examples = read_channel(Path(data_path), channel, csv_weights == 1)
    return None if examples is None else of_examples(examples)
