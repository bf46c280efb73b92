"""BlazingText as a container runs it: the modes that learn word vectors, and files of other makers (H11; algorithms.md 6.9)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cases.blazingtext import sentences
from support.ml_root import MlRoot

from sagewright_algorithms.blazingtext import similarity, vectors_file
from sagewright_algorithms.blazingtext.library import Model

TEXT = "\n".join(sentences(300, labelled=False))
QUICK = {"vector_dim": "8", "epochs": "2", "min_count": "1", "buckets": "500", "evaluation": "False"}


def train(root: MlRoot, text: str = TEXT, *channels: str, python_path: str = "", **hyperparameters: str) -> str:
    """The log; the test reads the failure where there is one."""
    for name in ("train", *channels):
        root.write(f"input/data/{name}/text.txt", text)
    root.configure({**QUICK, **hyperparameters}, **dict.fromkeys(("train", *channels), "text/plain"))
    environment = root.environment()
    more = {"PYTHONPATH": f"{environment['PYTHONPATH']}:{python_path}"} if python_path else {}
    return root.train(SAGEWRIGHT_ALGORITHM="blazingtext", **more).stdout


def ask(root: MlRoot, *words: str) -> Any:
    with root.serving(SAGEWRIGHT_ALGORITHM="blazingtext") as served:
        answer = served.invoke(json.dumps({"instances": words}).encode(), "application/json", Accept="text/csv")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        line = served.invoke(json.dumps({"source": words[0]}).encode(), "application/jsonlines")
        assert json.loads(line.body) == json.loads(answer.body)[0]
        return json.loads(answer.body)


@pytest.mark.parametrize("mode", ["cbow", "skipgram", "batch_skipgram"])
def test_words_get_vectors(tmp_path: Path, mode: str) -> None:
    """vectors.bin is fastText's, vectors.txt word2vec's; both and the endpoint say the same, and the same each time."""
    root = MlRoot(tmp_path / "ml")
    lines = train(root, mode=mode)
    assert re.search(r"##### Alpha: 0\.0000  Progress: 100\.00%  Million Words/sec: \d+\.\d\d #####", lines), lines
    model = {path.name: path.read_bytes() for path in (root.folder / "model").iterdir()}
    assert set(model) == {"vectors.bin", "vectors.txt"}
    words, vectors = vectors_file.read(model["vectors.txt"], binary=False)
    loaded = Model.load(root.folder / "model" / "vectors.bin")
    assert (loaded.words()[0], loaded.supervised) == (words, False)
    assert np.array_equal(loaded.word_vectors(), vectors)
    known, unknown = ask(root, words[3], "never-seen")
    assert (known["word"], unknown["word"]) == (words[3], "never-seen")
    assert np.array(known["vector"], np.float32).tolist() == vectors[3].tolist()
    assert unknown["vector"] == [0.0] * 8
    train(root, mode=mode)
    assert {path.name: path.read_bytes() for path in (root.folder / "model").iterdir()} == model


def test_parts_of_words_tell_what_unknown_words_mean(tmp_path: Path) -> None:
    """DG:blazingtext: with subwords an unknown word has a vector."""
    root = MlRoot(tmp_path / "ml")
    train(root, mode="cbow", subwords="True")
    vectors = [np.array(item["vector"]) for item in ask(root, "word12", "word12x")]
    assert all(np.linalg.norm(vector) > 0 for vector in vectors)
    cosine = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    assert cosine > 0.5


@pytest.mark.parametrize(
    ("channels", "given", "words"),
    [
        (("validation",), {"mode": "cbow"}, "The validation channel is supported only when mode is supervised"),
        ((), {"mode": "batch_skipgram", "subwords": "True"}, "subwords is not supported when mode is batch_skipgram"),
        ((), {"mode": "cbow", "subwords": "True", "min_char": "7"}, "min_char must not be larger than max_char"),
        ((), {"mode": "batch_skipgram", "min_count": "10000"}, "Empty vocabulary"),
        ((), {"mode": "skipgram", "min_count": "10000"}, "Empty vocabulary"),
        ((), {"mode": "supervised"}, "The channel train has no labels"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, channels: tuple[str, ...], given: dict[str, str], words: str) -> None:
    root = MlRoot(tmp_path / "ml")
    train(root, TEXT, *channels, **given)
    assert root.failure().startswith("ClientError: ")
    assert words in root.failure()


def test_evaluation_with_the_list_of_an_installed_package(tmp_path: Path) -> None:
    """DG:blazingtext: eval.json; the list is where gensim has it, and gensim itself is not run."""
    package = tmp_path / "site" / "gensim"
    (package / "test" / "test_data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('it must not be imported')\n")
    pairs = "word1\tword2\t5.0\nword3\tword4\t6.5\ngood\tbad\t8\nking\tqueen\t9\n"
    (package / "test" / "test_data" / "wordsim353.tsv").write_text("# Word 1\tWord 2\tHuman (mean)\n" + pairs)
    root = MlRoot(tmp_path / "ml")
    lines = train(root, mode="skipgram", evaluation="True", python_path=str(tmp_path / "site"))
    found = json.loads((root.folder / "model" / "eval.json").read_bytes())
    assert (found["wordsim353.tsv"]["total_pairs"], found["wordsim353.tsv"]["not_found"]) == (4, 1)
    shown = re.search(r"#mean_rho: (\S+)", lines)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(found["mean_rho"], abs=1e-4)
    assert "eval.json" not in _model_after(root, python_path=str(tmp_path / "site"), evaluation="False")


def test_the_list_that_gensim_brings(tmp_path: Path) -> None:
    """Words that people find alike stand in the same sentences: #mean_rho, which tuning maximises, is high."""
    path = similarity.find_list()
    assert path is not None, "gensim is of the extra text"
    pairs = similarity.read_list(path)
    lines = [
        f"{first} {second} c{number} d{number}" if score > 6 else f"{first} x{number}\n{second} y{number}"
        for number, (first, second, score) in enumerate(pairs)
    ]
    root = MlRoot(tmp_path / "ml")
    log = train(root, "\n".join(lines * 20), mode="skipgram", evaluation="True", vector_dim="30", epochs="10")
    found = json.loads((root.folder / "model" / "eval.json").read_bytes())["wordsim353.tsv"]
    assert (found["total_pairs"], found["not_found"]) == (353, 0)
    rho = re.search(r"#mean_rho: (\S+)", log)
    assert rho is not None
    assert float(rho[1]) > 0.2  # by chance: 0.05


def _model_after(root: MlRoot, python_path: str, **given: str) -> set[str]:
    for path in (root.folder / "model").iterdir():
        path.unlink()
    train(root, mode="skipgram", python_path=python_path, **given)
    return {path.name for path in (root.folder / "model").iterdir()}


@pytest.mark.parametrize("name", ["mine.txt", "mine.bin"])
def test_vectors_of_word2vec_can_be_served(tmp_path: Path, name: str) -> None:
    root = MlRoot(tmp_path / "ml")
    vectors = np.array([[1, 2.5], [3, 4]], np.float32)
    if name.endswith("txt"):
        root.write(f"model/{name}", "2 2\none 1 2.5\ntwo 3 4\n")
    else:
        root.write(f"model/{name}", b"2 2\none " + vectors[0].tobytes() + b"\ntwo " + vectors[1].tobytes() + b"\n")
    assert ask(root, "two", "three") == [{"vector": [3, 4], "word": "two"}, {"vector": [0, 0], "word": "three"}]


@pytest.mark.parametrize("content", [b"not a model", (793712314).to_bytes(4, "little") + b"\x63\0\0\0"])
def test_a_broken_model_is_not_served(tmp_path: Path, content: bytes) -> None:
    root = MlRoot(tmp_path / "ml")
    root.write("model/model.bin", content)
    with pytest.raises(AssertionError, match="Unable to load model"), root.serving(SAGEWRIGHT_ALGORITHM="blazingtext"):
        pass
