"""Parts of text classification: the sentences of a channel, the vocabulary, optimizers, where training starts."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.sentences import sentences as made_up
from transformers import AutoTokenizer

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.manifest import load
from sagewright_algorithms.text_classification import artifact, optimizers, sentences, start
from sagewright_algorithms.text_classification.sentences import Data, Sentences
from sagewright_algorithms.text_classification.vocabulary import LONGEST, Vocabulary
from sagewright_container.layout import Layout

MANIFEST = load("text-classification")
TEXTS = made_up(60)[0]


def job(folder: Path, channels: dict[str, dict[str, bytes]], **hyperparameters: str) -> Job:
    for name, files in channels.items():
        for path, content in files.items():
            file = folder / "input/data" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    model = MANIFEST.model("huggingface-tc-bert-base-uncased")
    return Job(Layout(folder), MANIFEST, model, Hyperparameters(MANIFEST, hyperparameters), {name: {} for name in channels})


def read(folder: Path, content: bytes, share: float = 0.0, **more: bytes) -> Data:
    channels = {"training": {"data.csv": content}, **{name: {"data.csv": body} for name, body in more.items()}}
    return sentences.read(job(folder, channels), share)


def test_quotes_commas_and_line_ends(tmp_path: Path) -> None:
    found = read(tmp_path, '\ufeff0,"a, b"\r\n1,c, d\r\n\r\n0 ,"line\none"\r\n1,\r\n'.encode())
    assert found.train == Sentences(["a, b", "c, d", "line\none", ""], [0, 1, 0, 1])
    assert found.classes == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no sentences"),
        (b"0\n1\n", "Row 1 of data.csv has no text"),
        (b"0,a\n-1,b\n", "Row 2 of data.csv begins with '-1'"),
        (b"label,text\n0,a\n", "begins with 'label'"),
        (b"0,\xff\n", "Unable to parse data.csv as CSV"),
        (b"0,a\n0,b\n", "1 class; classification needs at least two"),
        (b"1,a\n2,b\n", "no sentence has the label 0"),
        (b"0,a\n1000000000,b\n", "no sentence has the label 1"),
    ],
)
def test_what_is_no_data(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        read(tmp_path, content)


def test_validation_is_drawn_or_a_channel(tmp_path: Path) -> None:
    rows = b"".join(b"%d,text %d\n" % (number % 2, number) for number in range(20))
    drawn = read(tmp_path / "a", rows, 0.2)
    assert (len(drawn.train), len(drawn.validation)) == (16, 4)
    assert drawn == read(tmp_path / "b", rows, 0.2)
    given = read(tmp_path / "c", rows, 0.2, validation=b"2,third\n")
    assert (len(given.train), given.validation, given.classes) == (20, Sentences(["third"], [2]), 3)


def test_a_vocabulary_comes_back_and_transformers_reads_it(tmp_path: Path) -> None:
    learned = Vocabulary.learned(TEXTS, lowercase=True)
    learned.write(tmp_path)
    again = Vocabulary.read(tmp_path, learned.padding)
    wanted = [TEXTS[0], TEXTS[0].upper(), "w" * 1000 + " é ☃", "x " * 500]
    assert again.numbers(wanted) == learned.numbers(wanted)
    first, shouted, _, long = again.numbers(wanted)
    assert first == shouted
    assert len(long) == LONGEST
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS[0])["input_ids"] == first
    batch = again.batch([[2, 5, 3], [2, 3]], torch.device("cpu"))
    assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, learned.padding]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


def test_case_counts_where_the_model_is_cased() -> None:
    cased = Vocabulary.learned(["Word word"] * 20, lowercase=False)
    first, other = cased.numbers(["Word", "word"])
    assert first != other


@pytest.mark.parametrize("name", next(item.choices for item in MANIFEST.hyperparameters if item.name == "optimizer"))
def test_every_optimizer_learns_at_its_limits_too(name: str) -> None:
    for given in ({"learning_rate": "0.1"}, {"beta_1": "1", "beta_2": "1", "rho": "1", "momentum": "0", "epsilon": "0.1"}):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = optimizers.of(name, Hyperparameters(MANIFEST, given), [weight])
        for _ in range(20):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        assert torch.isfinite(weight).all()
        assert (weight < 1).all()


def test_adamw_warms_up_and_falls_to_zero() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], 1.0)
    schedule = optimizers.schedule("adamw", optimizer, steps=10, warmup=0.2)
    rates = []
    for _ in range(11):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8])
    assert rates[-1] == 0


DATA = Data(Sentences(TEXTS, made_up(60)[1]), Sentences([], []), 2)


def trained(folder: Path, classes: int = 2) -> dict[str, bytes]:
    """The files of an artifact."""
    data = Data(DATA.train, DATA.validation, classes)
    begun = start.of(job(folder / "from-scratch", {"training": {}}), data)
    (folder / "made").mkdir(parents=True)
    artifact.write(folder / "made", begun.model, begun.vocabulary, classes)
    return {file.name: file.read_bytes() for file in (folder / "made").iterdir()}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return buffer.getvalue()


def top_of(model: Any) -> torch.Tensor:
    weight: torch.Tensor = model.classifier.weight
    return weight


def test_a_model_goes_on_from_its_artifact(tmp_path: Path) -> None:
    """Incremental training: the archive of a job is the model channel of the next; its last layer is kept."""
    files = trained(tmp_path)
    begun = start.of(job(tmp_path / "next", {"training": {}, "model": {"model.tar.gz": archive(files)}}), DATA)
    assert not begun.fresh_top
    (tmp_path / "w").write_bytes(files["model.safetensors"])
    torch.testing.assert_close(top_of(begun.model), load_file(tmp_path / "w")["classifier.weight"])
    assert begun.vocabulary.numbers(TEXTS) == Vocabulary.learned(TEXTS, True).numbers(TEXTS)


def test_a_new_top_layer_where_it_is_wanted(tmp_path: Path) -> None:
    files = trained(tmp_path)
    given = job(tmp_path / "next", {"training": {}, "model": files}, reinitialize_top_layer="True", dropout_rate="0.7")
    begun = start.of(given, Data(DATA.train, DATA.validation, 3))
    assert begun.fresh_top
    assert top_of(begun.model).shape[0] == begun.model.config.num_labels == 3
    assert begun.model.dropout.p == 0.7


def test_other_classes_are_refused(tmp_path: Path) -> None:
    files = trained(tmp_path, classes=3)
    with pytest.raises(ClientError, match="incremental training needs the same classes"):
        start.of(job(tmp_path / "next", {"training": {}, "model": files}), DATA)


def test_weights_of_somebody_else_get_a_new_top_layer(tmp_path: Path) -> None:
    files = {name: content for name, content in trained(tmp_path, classes=5).items() if name != artifact.LABELS}
    begun = start.of(job(tmp_path / "next", {"training": {}, "model": {f"bert/{name}": files[name] for name in files}}), DATA)
    assert begun.fresh_top
    assert top_of(begun.model).shape[0] == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.safetensors": b"no tensors"}, "cannot be used"),
        ({"config.json": b"no JSON"}, "cannot be used"),
        ({"config.json": b'{"model_type": "nobody-knows"}'}, "cannot be used"),
        (
            {"config.json": b'{"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "x"}', "evil.py": b"1/0"},
            "cannot be used",
        ),
        ({"tokenizer.json": b"{}"}, "cannot be used"),
        ({"labels.json": b"[]"}, "cannot be used"),
    ],
)
def test_what_is_no_model_is_said_and_never_run(tmp_path: Path, changes: dict[str, bytes], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        start.of(job(tmp_path / "next", {"training": {}, "model": {**trained(tmp_path), **changes}}), DATA)


def test_weights_as_a_pickle_are_refused(tmp_path: Path) -> None:
    files = trained(tmp_path)
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    with pytest.raises(ClientError, match=r"has no model\.safetensors"):
        start.of(job(tmp_path / "next", {"training": {}, "model": files}), DATA)


def test_a_model_channel_without_a_model_starts_from_nothing(tmp_path: Path) -> None:
    """JumpStart's own archive holds a note."""
    given = job(tmp_path, {"training": {}, "model": {"model.tar.gz": archive({"README.md": b"nothing"})}})
    assert start.of(given, DATA).fresh_top
