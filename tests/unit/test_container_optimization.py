"""Optimization of language models in this process: quantized checkpoints and what they answer, shards, what is refused (L02)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.text_adapters import adapter, merged, written
from support.text_models import ALPHABET, alphabet
from transformers import ViTConfig

from sagewright_container.optimization import linear, optimize, packing
from sagewright_container.text_generation.configuration import Configuration
from sagewright_container.text_generation.lora import read
from sagewright_container.text_generation.model import TextModel, load
from sagewright_container.text_generation.parameters import Parameters


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(tmp_path))
    for name in ("input/config", "model", "output"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def run(root: Path, source: Path, **task: Any) -> int:
    shutil.copytree(source, root / "input/model", dirs_exist_ok=True)
    asked = {"Technique": "Quantization", "Bits": 8, "Shards": 1, "TrustsCode": False, **task}
    (root / "input/config/optimizationjob.json").write_text(json.dumps(asked))
    return optimize.main()


def goes_on(model: TextModel, text: str) -> str:
    steps = model.generate(model.tokens(text), Parameters(max_new_tokens=40))
    return "".join(step.text for step in steps)


def served(folder: Path) -> TextModel:
    return load(Configuration("tgi", str(folder)))


def weights(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@pytest.mark.parametrize(("kind", "bits"), [("llama", 8), ("llama", 4), ("gpt2", 8)])
def test_a_quantized_model_is_smaller_and_goes_on_as_before(root: Path, kind: str, bits: int) -> None:
    source = alphabet(kind)
    assert run(root, source, Bits=bits) == 0
    assert weights(root / "model") < 0.8 * weights(source)
    config = json.loads((root / "model/config.json").read_text())
    assert config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] == bits
    model = served(root / "model")
    assert any(isinstance(layer, linear.QuantizedLinear) for layer in model._engine._network.modules())
    assert goes_on(model, "abc") == ALPHABET[3:]


def test_an_adapter_of_a_quantized_model(root: Path, tmp_path: Path) -> None:
    """K06: an adapter adds to what a layer gives, however its weights are stored."""
    assert run(root, alphabet(), Bits=8) == 0
    model, files = served(root / "model"), adapter(1)
    lora = read(written(tmp_path / "adapter", files), model.network, 16)
    model.adapters.fit(lora)
    assert goes_on(model.adapted("one", lora), "abc").startswith(merged(files, "abc", 4))
    assert goes_on(model, "abc") == ALPHABET[3:]


def test_the_log_says_how_far_off_the_weights_are(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, alphabet()) == 0
    told = capsys.readouterr().out
    assert "Quantized 14 of 15 linear layers to 8 bits; the weights are off by 0." in told


def test_a_checkpoint_in_shards_is_the_same_model(root: Path) -> None:
    source = alphabet()
    assert run(root, source, Technique="Sharding", Shards=3) == 0
    files = sorted(file.name for file in (root / "model").glob("*.safetensors"))
    assert len(files) >= 3
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    index = json.loads((root / "model/model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    together = {name: tensor for file in files for name, tensor in load_file(root / "model" / file).items()}
    whole = load_file(source / "model.safetensors")
    assert together.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in together.items())
    assert goes_on(served(root / "model"), "abc") == ALPHABET[3:]


def test_a_checkpoint_of_torch_and_a_folder_within(root: Path, tmp_path: Path) -> None:
    inner = tmp_path / "given" / "inner"
    shutil.copytree(alphabet(), inner)
    torch.save(load_file(inner / "model.safetensors"), inner / "pytorch_model.bin")
    (inner / "model.safetensors").unlink()
    assert run(root, inner.parent) == 0
    assert [file.name for file in (root / "model").glob("*model*")] == ["model.safetensors"]
    assert goes_on(served(root / "model"), "x") == "yzé."


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("run",))


def _of_vit(folder: Path) -> None:
    ViTConfig().save_pretrained(folder)


def _quantized(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": Evil()}, folder / "pytorch_model.bin")


def _outside(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))


def _small(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({"lm_head.weight": tensors["lm_head.weight"]}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "configuration cannot be read"),
        (_of_vit, "vit is no causal language model"),
        (_quantized, "quantized already"),
        (lambda folder: (folder / "model.safetensors").unlink(), "the model has no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100), "model.safetensors cannot be read"),
        (_pickle, "pytorch_model.bin cannot be read"),
        (_outside, "which is not there"),
        (_small, "no linear layers that can be quantized"),
    ],
)
def test_what_is_no_language_model_is_told(root: Path, tmp_path: Path, capsys: Any, change: Any, words: str) -> None:
    folder = tmp_path / "given"
    shutil.copytree(alphabet(), folder)
    change(folder)
    assert run(root, folder) == 1
    reason = (root / "output/failure").read_text()
    assert reason.startswith("ClientError: InputConfiguration: ")
    assert words in reason
    assert "run" not in capsys.readouterr().out.split()


@pytest.mark.parametrize("given", [packing.Scheme(8), packing.Scheme(4, 32), packing.Scheme(4, 64)])
def test_packed_weights_are_the_nearest(given: packing.Scheme) -> None:
    weight = torch.randn(48, 128, generator=torch.Generator().manual_seed(1))
    packed = packing.pack(weight, given)
    assert packed.weights.shape == (48, 128 // given.factor)
    restored = packing.unpack(packed, given, torch.float32)
    step = packed.scales.repeat_interleave(128 // given.scales(128), 1)
    assert bool(
        ((restored - weight).abs() <= step * 0.5 + 1e-6).sum() >= weight.numel() * 0.98
    )  # the largest is clipped by half a step


def test_the_layout_is_that_of_compressed_tensors() -> None:
    """The lowest bits hold the first weight, shifted to unsigned: 1 and 2 of 8 bits are 129 and 130."""
    packed = packing.Packed(torch.tensor([[33409 | (128 << 16) | (127 << 24)]], dtype=torch.int32), torch.ones(1, 1))
    assert packing.integers(packed.weights, packing.Scheme(8)).tolist() == [[1, 2, 0, -1]]


@pytest.mark.parametrize("given", [packing.Scheme(8), packing.Scheme(4, 32)])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 32), (96, 20)])
@pytest.mark.parametrize("rows", [1, 5])
def test_a_layer_computes_what_its_weights_stand_for(given: packing.Scheme, inputs: int, outputs: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(outputs, inputs, generator=generator), torch.randn(outputs, generator=generator)
    packed = packing.pack(weight, given)
    layer = linear.QuantizedLinear(inputs, outputs, True, given, torch.float32)
    shape = torch.tensor([outputs, inputs])
    layer.load_state_dict({"weight_packed": packed.weights, "weight_scale": packed.scales, "weight_shape": shape, "bias": bias})
    layer.prepare()
    states = torch.randn(2, rows, inputs, generator=generator)
    wanted = states @ packing.unpack(packed, given, torch.float32).t() + bias
    found = layer(states)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 0.01


def test_other_descriptions_are_not_taken_for_ours() -> None:
    ours = packing.description(packing.Scheme(4, 64), ["lm_head"])
    assert packing.described(ours) == (packing.Scheme(4, 64), ["lm_head"])
    assert packing.described({**ours, "format": "int-quantized"}) is None
    assert packing.described({**ours, "config_groups": {"group_0": {"weights": None}}}) is None
    assert packing.described(None) is None
    assert packing.described({"quant_method": "awq"}) is None
