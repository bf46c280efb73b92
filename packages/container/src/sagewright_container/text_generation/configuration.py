"""What the container's environment says: each server has its own variables.

TGI: HF_MODEL_ID, MAX_INPUT_TOKENS …; LMI: OPTION_… and serving.properties (https://docs.djl.ai, LMI configurations); vLLM: SM_VLLM_…;
SGLang: SM_SGLANG_….
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path


class ConfigurationError(Exception):
    """The container cannot start as it is asked to; the text is for the user."""


@dataclass(frozen=True)
class Configuration:
    """``longest_input`` and ``longest`` (input and output together) are in tokens, 0 where only the model limits them.

    ``clients`` is how many requests are held at once, ``rows`` how many of them are decoded together. ``formatter`` is LMI's
    ``output_formatter``, ``like_tgi`` its ``tgi_compat``, ``rolling`` false where ``rolling_batch`` is off. ``adapters``: LoRA adapters of
    at most ``most_rank`` may come while it serves (vLLM's names and defaults).
    """

    server: str
    model: str
    dtype: str = ""
    revision: str = ""
    trusts_code: bool = False
    longest_input: int = 0
    longest: int = 0
    clients: int = 128
    rows: int = 32
    most_stops: int = 4
    most_best_of: int = 2
    most_alternatives: int = 5
    quantization: str = ""
    accelerators: int = 0
    formatter: str = ""
    like_tgi: bool = False
    rolling: bool = True
    version: str = ""
    adapters: bool = False
    most_rank: int = 16

    @classmethod
    def of(cls, server: str, folder: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
        """``folder`` is /opt/ml/model. Raises ConfigurationError."""
        read = {"tgi": _tgi, "lmi": _lmi, "vllm": _vllm, "sglang": _sglang}[server]
        return read(_Variables(environment), folder)


class _Variables:
    """Typed reading; SDKs send JSON, so that ``"1"`` is a number as well."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def text(self, *names: str) -> str:
        return next((self._given[name].strip().strip('"') for name in names if self._given.get(name)), "")

    def number(self, default: int, *names: str) -> int:
        """Raises ConfigurationError."""
        text = self.text(*names)
        if not text:
            return default
        if text.isdigit():
            return int(text)
        name = next(name for name in names if self._given.get(name))
        raise ConfigurationError(f"{name} must be a whole number, not {text!r}.")

    def truth(self, *names: str) -> bool:
        return self.text(*names).lower() in ("1", "true", "t", "yes")


def _tgi(read: _Variables, folder: Path) -> Configuration:
    longest, longest_input = (read.number(0, "MAX_TOTAL_TOKENS"), read.number(0, "MAX_INPUT_TOKENS", "MAX_INPUT_LENGTH"))
    if longest and longest_input >= longest:
        raise ConfigurationError("`max_input_tokens` must be < `max_total_tokens`")
    return Configuration(
        "tgi",
        model_source(read.text("HF_MODEL_ID"), folder),
        read.text("HF_MODEL_DTYPE", "DTYPE"),
        read.text("HF_MODEL_REVISION", "REVISION"),
        read.truth("HF_MODEL_TRUST_REMOTE_CODE", "TRUST_REMOTE_CODE", "HF_TRUST_REMOTE_CODE"),
        longest_input,
        longest,
        read.number(128, "MAX_CONCURRENT_REQUESTS"),
        read.number(32, "MAX_BATCH_SIZE"),
        read.number(4, "MAX_STOP_SEQUENCES"),
        read.number(2, "MAX_BEST_OF"),
        read.number(5, "MAX_TOP_N_TOKENS"),
        read.text("HF_MODEL_QUANTIZE", "QUANTIZE"),
        read.number(0, "SM_NUM_GPUS", "NUM_SHARD"),
        version=read.text("SAGEWRIGHT_IMAGE_VERSION"),
    )


def _lmi(read: _Variables, folder: Path) -> Configuration:
    """serving.properties wins over the environment, as in DJL Serving."""
    options = _Variables({**read._given, **_properties(folder)})
    if (folder / "model.py").is_file() or options.text("OPTION_ENTRYPOINT").endswith("model.py"):
        raise ConfigurationError("A model.py of one's own needs DJL Serving's Python engine, which is not here.")
    rolling = options.text("OPTION_ROLLING_BATCH").lower() != "disable"
    return Configuration(
        "lmi",
        model_source(options.text("OPTION_MODEL_ID", "HF_MODEL_ID"), folder),
        options.text("OPTION_DTYPE"),
        options.text("OPTION_REVISION", "HF_REVISION"),
        options.truth("OPTION_TRUST_REMOTE_CODE", "HF_TRUST_REMOTE_CODE", "HF_MODEL_TRUST_REMOTE_CODE"),
        0,
        options.number(0, "OPTION_MAX_MODEL_LEN"),
        options.number(1000, "SERVING_JOB_QUEUE_SIZE"),
        options.number(32, "OPTION_MAX_ROLLING_BATCH_SIZE"),
        quantization=options.text("OPTION_QUANTIZE"),
        accelerators=_degree(options),
        formatter=options.text("OPTION_OUTPUT_FORMATTER"),
        like_tgi=options.truth("OPTION_TGI_COMPAT"),
        rolling=rolling,
        version=options.text("SAGEWRIGHT_IMAGE_VERSION"),
        adapters=options.truth("OPTION_ENABLE_LORA"),
        most_rank=options.number(16, "OPTION_MAX_LORA_RANK"),
    )


def _vllm(read: _Variables, folder: Path) -> Configuration:
    """SM_VLLM_X_Y is the server's --x-y; what lies in /opt/ml/model comes before HF_MODEL_ID (AWS's entry point, as SageMaker uses it)."""
    is_filled = folder.is_dir() and any(folder.iterdir())
    named = read.text("SM_VLLM_MODEL") or ("" if is_filled else read.text("HF_MODEL_ID"))
    return replace(
        _engine("vllm", read, model_source(named, folder)),
        longest=read.number(0, "SM_VLLM_MAX_MODEL_LEN"),
        rows=read.number(32, "SM_VLLM_MAX_NUM_SEQS"),
        accelerators=read.number(0, "SM_VLLM_TENSOR_PARALLEL_SIZE"),
        adapters=read.truth("SM_VLLM_ENABLE_LORA") and read.truth("VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        most_rank=read.number(16, "SM_VLLM_MAX_LORA_RANK"),
    )


def _sglang(read: _Variables, folder: Path) -> Configuration:
    """SM_SGLANG_X_Y is the server's --x-y (docker/serve of sgl-project/sglang)."""
    return replace(
        _engine("sglang", read, model_source(read.text("SM_SGLANG_MODEL_PATH", "HF_MODEL_ID"), folder)),
        longest=read.number(0, "SM_SGLANG_CONTEXT_LENGTH"),
        rows=read.number(32, "SM_SGLANG_MAX_RUNNING_REQUESTS"),
        accelerators=read.number(0, "SM_SGLANG_TP_SIZE", "SM_SGLANG_TENSOR_PARALLEL_SIZE"),
    )


def _engine(server: str, read: _Variables, model: str) -> Configuration:
    """What both of them call alike."""
    prefix = f"SM_{server.upper()}_"
    return Configuration(
        server,
        model,
        read.text(f"{prefix}DTYPE"),
        read.text(f"{prefix}REVISION"),
        read.truth(f"{prefix}TRUST_REMOTE_CODE"),
        quantization=read.text(f"{prefix}QUANTIZATION"),
        version=read.text("SAGEWRIGHT_IMAGE_VERSION"),
    )


def _degree(options: _Variables) -> int:
    """ "max" means all there are."""
    with suppress(ConfigurationError):
        return options.number(0, "OPTION_TENSOR_PARALLEL_DEGREE")
    return 1


def model_source(named: str, folder: Path) -> str:
    """A folder in the container, or a name of the Hugging Face Hub. Raises ConfigurationError."""
    if named.startswith("s3://"):
        raise ConfigurationError(
            f"The model {named} must come as ModelDataUrl or ModelDataSource, which puts it into /opt/ml/model."
        )
    if named.startswith("/opt/ml/model"):
        found = folder / named.removeprefix("/opt/ml/model").strip("/")
    elif named and not Path(named).is_dir():
        return named
    else:
        found = Path(named) if named else folder
    if not (found / "config.json").is_file():
        raise ConfigurationError(
            f"There is no model: {named or '/opt/ml/model'} has no config.json. Give the model's files as ModelDataUrl (an archive) "
            "or ModelDataSource, and HF_MODEL_ID=/opt/ml/model."
        )
    return str(found)


def _properties(folder: Path) -> dict[str, str]:
    """``option.x=…`` of serving.properties as OPTION_X."""
    file = folder / "serving.properties"
    if not file.is_file():
        return {}
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition("=")[::2] for line in lines if "=" in line and not line.startswith(("#", "!"))]
    return {
        name.strip().replace(".", "_").upper(): json.dumps(value.strip()) if not value.strip() else value.strip()
        for name, value in pairs
        if name.strip().startswith("option.")
    }
