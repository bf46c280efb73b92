"""What a framework does when the user's script leaves a function out.

The libraries are loaded by name when they are needed: this module is imported in every image and only one of them is there.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright_container.serving.content import TEXT_TYPES, decode, encode, media_type
from sagewright_container.serving.message import Response

Function = Callable[..., Any]


@dataclass(frozen=True)
class Defaults:
    """model_fn(model_dir), input_fn(data, content_type), predict_fn(data, model), output_fn(prediction, accept).

    ``failed`` is how the image's server answers what any of them, or of the script's, raises; None: 500 with the traceback.
    """

    model_fn: Function
    input_fn: Function
    predict_fn: Function
    output_fn: Function
    failed: Callable[[Exception], Response] | None = None


def defaults(folder: Path) -> Defaults:
    """By what the image says (``SAGEWRIGHT_FRAMEWORK``, or the algorithm it holds), else by what lies in the model folder."""
    named = os.environ.get("SAGEWRIGHT_FRAMEWORK") or os.environ.get("SAGEWRIGHT_ALGORITHM") or ""
    if named in _MODULES:
        found: Defaults = importlib.import_module(f"sagewright_container.serving.{_MODULES[named]}").DEFAULTS
        return found
    return _FRAMEWORKS.get(named) or _FRAMEWORKS.get(_guess(folder), _SKLEARN)


def _guess(folder: Path) -> str:
    if any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
        return "pytorch"
    return "xgboost" if (folder / "xgboost-model").is_file() else "sklearn"


def _no_model_fn(model_dir: str) -> Any:
    raise NotImplementedError(
        "Please provide a model_fn implementation. See documentation for model_fn at https://github.com/aws/sagemaker-python-sdk"
    )


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _torch_model(model_dir: str) -> Any:
    """A TorchScript file, ``model.pth`` or the only .pt/.pth."""
    torch = importlib.import_module("torch")
    folder = Path(model_dir)
    files = [folder / "model.pth"]
    if not files[0].is_file():
        files = [*folder.glob("*.pth"), *folder.glob("*.pt")]
    if len(files) != 1:
        raise ValueError(f"Failed to load a model: exactly one .pth or .pt file is needed in {folder}, found {len(files)}.")
    return torch.jit.load(str(files[0]), map_location=_torch_device(torch)).eval()


def _torch_input(data: str | bytes, content_type: str) -> Any:
    torch = importlib.import_module("torch")
    array = decode(data, content_type)
    tensor = torch.FloatTensor(array) if media_type(content_type) in TEXT_TYPES else torch.from_numpy(array)
    return tensor.to(_torch_device(torch))


def _torch_predict(data: Any, model: Any) -> Any:
    torch = importlib.import_module("torch")
    with torch.no_grad():
        return model(data)


def _torch_output(prediction: Any, accept: str) -> bytes:
    torch = importlib.import_module("torch")
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().numpy()
    return encode(prediction, accept)


def _torch_device(torch: Any) -> Any:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _xgboost_model(model_dir: str) -> Any:
    booster = importlib.import_module("xgboost").Booster()
    booster.load_model(str(Path(model_dir) / "xgboost-model"))
    return booster


def _xgboost_input(data: str | bytes, content_type: str) -> Any:
    """A DMatrix of CSV, libsvm or .npy rows."""
    xgboost = importlib.import_module("xgboost")
    if media_type(content_type) in ("text/libsvm", "text/x-libsvm"):
        return _libsvm_matrix(xgboost, data if isinstance(data, str) else data.decode("utf-8"))
    return xgboost.DMatrix(decode(data, content_type).astype("float32"))


def _libsvm_matrix(xgboost: Any, text: str) -> Any:
    sparse = importlib.import_module("scipy.sparse")
    starts, indices, values = [0], [], []
    for line in text.splitlines():
        pairs = [token.split(":") for token in line.split() if ":" in token and not token.startswith("qid:")]
        indices += [int(index) for index, _ in pairs]
        values += [float(value) for _, value in pairs]
        starts.append(len(indices))
    return xgboost.DMatrix(sparse.csr_matrix((values, indices, starts), dtype="float32"))


def _xgboost_predict(data: Any, model: Any) -> Any:
    """A Booster takes a DMatrix; a scikit-learn wrapper takes whatever the script's input_fn made."""
    if type(model).__name__ == "Booster":
        return model.predict(data, validate_features=False)
    return model.predict(data)


_MODULES = {"huggingface": "huggingface", "neo": "compiled"}
"""Images whose handlers are a module of their own, because it imports their libraries."""
_SKLEARN = Defaults(_no_model_fn, decode, _predict, encode)
_FRAMEWORKS: Mapping[str, Defaults] = {
    "sklearn": _SKLEARN,
    "pytorch": Defaults(_torch_model, _torch_input, _torch_predict, _torch_output),
    "xgboost": Defaults(_xgboost_model, _xgboost_input, _xgboost_predict, encode),
}
