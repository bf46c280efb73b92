"""Parts of BlazingText: texts, epochs, batches of skip-grams, word similarity, files (H11; algorithms.md 6.9)."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cases.blazingtext import sentences

from sagewright_algorithms.blazingtext import batch_skipgram, corpus, questions, similarity, vectors_file
from sagewright_algorithms.blazingtext.accuracy import Accuracy, measured
from sagewright_algorithms.blazingtext.epochs import Epochs
from sagewright_algorithms.blazingtext.library import Model, arguments, threads_for
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.manifest import load
from sagewright_algorithms.recordio import frame


def wanted(**given: str) -> Hyperparameters:
    return Hyperparameters(load("blazingtext"), {"mode": "supervised", "vector_dim": "6", "buckets": "500", **given})


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(sentences(500)))  # the last line has no end
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def channel(folder: Path, **files: bytes) -> Path:
    place = folder / "train"
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def test_one_file_of_text_is_used_where_it_lies(tmp_path: Path, scratch: Path) -> None:
    place = channel(tmp_path, a=b"one two\n")
    assert corpus.text_of(place, {"ContentType": "text/plain"}, scratch) == place / "a"


def test_files_are_joined_line_by_line(tmp_path: Path, scratch: Path) -> None:
    """DG:blazingtext: a single file; several are what the user would have to join."""
    place = channel(tmp_path, b=b"three", a=b"one two")
    assert corpus.text_of(place, {}, scratch).read_bytes() == b"one two\nthree\n"


def test_an_augmented_manifest(tmp_path: Path, scratch: Path) -> None:
    """DG:blazingtext, one label or a list of labels."""
    lines = b'{"source":"linux ready\\nfor","label":1}\n\n{"source":"bowled by","label":[2,"__label__x"]}\n'
    found = corpus.text_of(channel(tmp_path, a=lines), {"ContentType": "application/jsonlines"}, scratch)
    assert found.read_text() == "__label__1 linux ready for\n__label__2 __label__x bowled by\n"


def test_an_augmented_manifest_in_a_pipe(tmp_path: Path, scratch: Path) -> None:
    """DG:augmented-manifest: the attributes come as records, by turns."""
    content = b"".join(map(frame, (b"linux ready", b"1", b"bowled by", b"[2, 4]")))
    (tmp_path / "train_0").write_bytes(content)
    given = {"ContentType": "application/x-recordio", "TrainingInputMode": "Pipe"}
    found = corpus.text_of(tmp_path / "train", given, scratch)
    assert found.read_text() == "__label__1 linux ready\n__label__2 __label__4 bowled by\n"


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b" \n\n", "text/plain", "No training data processed"),
        (b"[1]\n", "application/jsonlines", 'line 1, file .* it has no text "source"'),
        (b"abc", "application/x-recordio", "Unable to read recordio"),
        (frame(b"text"), "application/x-recordio", r"AttributeNames \[source, label\]"),
        (frame(b"text") + frame(b"{"), "application/x-recordio", "Unable to read recordio"),
    ],
)
def test_texts_that_are_none(tmp_path: Path, scratch: Path, content: bytes, kind: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        corpus.text_of(channel(tmp_path, a=content), {"ContentType": kind}, scratch)


@pytest.mark.parametrize("content", ["a __label__x b", "__label__x", "a\n__label__x"])
def test_labels_may_stand_anywhere(tmp_path: Path, content: str) -> None:
    """DG:blazingtext: the order of labels within the sentence does not matter."""
    path = tmp_path / "text"
    path.write_text(content)
    corpus.check_labels(path, "train")


def test_a_label_inside_a_word_is_none(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a__label__x b")
    with pytest.raises(ClientError, match="has no labels"):
        corpus.check_labels(path, "train")


def weights(model: Model) -> list[bytes]:
    return [matrix.tobytes() for matrix in model.matrices()]


def test_epoch_by_epoch_is_what_fasttext_does_at_once(text: Path, tmp_path: Path, scratch: Path) -> None:
    """Bit by bit, and the model stands still between the epochs."""
    whole = tmp_path / "whole.txt"
    whole.write_bytes(text.read_bytes() + b"\n")
    plain, stepped = Model(), Model()
    plain.train(arguments(wanted(epochs="4"), whole, 1))
    with Epochs(stepped, arguments(wanted(epochs="4"), text, 1), text, scratch) as epochs:
        between = []
        for _ in range(4):
            epochs.next()
            before = weights(stepped)
            assert stepped.score(text)[0] == 500
            assert weights(stepped) == before
            between.append(before)
    assert weights(stepped) == weights(plain) == between[-1]
    assert len({tuple(item) for item in between}) == 4


def test_a_stop_teaches_nothing_more(text: Path, scratch: Path) -> None:
    model = Model()
    with Epochs(model, arguments(wanted(epochs="50"), text, 1), text, scratch) as epochs:
        epochs.next()
        before = weights(model)
        epochs.stop()
    assert weights(model) == before


@pytest.mark.parametrize(
    ("given", "content", "words"),
    [
        ({"mode": "skipgram", "min_count": "100"}, "a b\n", "Lower min_count"),
        ({"learning_rate": "1000"}, "\n".join(sentences(200)), "Lower learning_rate"),
    ],
)
def test_what_fasttext_refuses(tmp_path: Path, scratch: Path, given: dict[str, str], content: str, words: str) -> None:
    path = tmp_path / "text"
    path.write_text(content)
    with pytest.raises(ClientError, match=words):
        Model().train(arguments(wanted(**given), path, 1))
    with pytest.raises(ClientError, match=words):
        run_through(Epochs(Model(), arguments(wanted(**given), path, 1), path, scratch))


def run_through(epochs: Epochs) -> None:
    with epochs:
        for _ in range(5):
            epochs.next()


def test_accuracy_in_several_processes(text: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagewright_algorithms.blazingtext.accuracy._BYTES_PER_PROCESS", 5_000)
    model = Model()
    model.train(arguments(wanted(epochs="1"), text, 1))
    lines, share = model.score(text)
    assert 0 < share < 1
    found = measured(model, text, scratch, processes=3)
    assert found == Accuracy(lines, pytest.approx(share))
    assert len(list(scratch.iterdir())) == 3


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread gives the same model each time: small texts, or when the user says so."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    assert [threads_for(1_000, 5), threads_for(100_000_000, 5)] == [1, 8]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads_for(100_000_000, 5) == 1


def test_a_batch_of_skip_grams_by_hand() -> None:
    """One step is that of word2vec's loss, computed pair by pair."""
    random = np.random.default_rng(5)
    inner, outer = (random.normal(size=(9, 4)).astype(np.float32) for _ in range(2))
    contexts, used = np.array([[1, 2, 1], [3, 0, 0]], np.int32), np.array([[True, True, True], [True, False, False]])
    outputs = np.array([[4, 5, 4], [6, 7, 1]], np.int32)  # the second chance word of the first batch is its middle
    expected = inner.astype(float), outer.astype(float)
    steps = [np.zeros((9, 4)), np.zeros((9, 4))]
    for batch, use, output in zip(contexts, used, outputs, strict=True):
        for word in batch[use]:
            for place, other in enumerate(output):
                if place and other == output[0]:
                    continue
                slope = 0.1 * ((place == 0) - 1 / (1 + np.exp(-expected[0][word] @ expected[1][other])))
                steps[0][word] += slope * expected[1][other]
                steps[1][other] += slope * expected[0][word]
    batch_skipgram._learn((inner, outer), contexts, used, outputs, 0.1)
    assert inner == pytest.approx(expected[0] + steps[0], abs=1e-5)
    assert outer == pytest.approx(expected[1] + steps[1], abs=1e-5)


def test_contexts_stay_in_window_and_sentence() -> None:
    text = batch_skipgram.Sentences(np.arange(6, dtype=np.int32), np.array([0, 0, 0, 1, 1, 1], np.int32))
    settings = batch_skipgram.Settings(window=2, negatives=1, group=3, rate=0.1, threshold=1.0, epochs=1)
    seen: set[tuple[int, int]] = set()
    for seed in range(20):
        contexts, used = batch_skipgram._contexts(text, np.arange(6), settings, np.random.default_rng(seed))
        assert contexts.shape == used.shape == (12, 3)
        for batch, (row, use) in enumerate(zip(contexts, used, strict=True)):
            seen |= {(batch // 2, int(word)) for word in row[use]}
    assert seen == {(a, b) for half in (range(3), range(3, 6)) for a in half for b in half if a != b}


def test_a_text_of_one_line_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_skipgram, "_BLOCK", 7)
    path = tmp_path / "text"
    path.write_bytes(b"alpha beta gamma " * 20 + b"beta")
    found = batch_skipgram.read(path, {b"alpha": 0, b"beta": 1})
    assert found.ids.tolist() == [0, 1] * 20 + [1]


def test_vectors_as_text_and_binary(tmp_path: Path) -> None:
    """The formats of word2vec; numbers come back exactly, words that are no UTF-8 do not hurt."""
    words, vectors = ["one", "zw\udcff", "three"], np.array([[1e-9, -2.5], [0, 1 / 3], [1e20, 7]], np.float32)
    vectors_file.write(tmp_path / "vectors.txt", words, vectors)
    content = (tmp_path / "vectors.txt").read_bytes()
    assert content.startswith(b"3 2\none 1e-9 -2.5\nzw\xff 0.0 0.33333334\n")
    found, read = vectors_file.read(content, binary=False)
    assert (found, read.tobytes()) == (["one", "zw\ufffd", "three"], vectors.tobytes())
    for end in (b"", b"\n"):
        rows = (word + b" " + row.tobytes() + end for word, row in zip((b"one", b"two", b"three"), vectors, strict=True))
        found, read = vectors_file.read(b"3 2\n" + b"".join(rows), binary=True)
        assert (found, read.tobytes()) == (["one", "two", "three"], vectors.tobytes())


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("content", [b"", b"x", b"1 2", b"1 x\na 1 2\n", b"2 2\na 1 2\n", b"9999999999 100\na 1", b"1 -1\na\n"])
def test_files_that_are_no_vectors(content: bytes, binary: bool) -> None:
    with pytest.raises(vectors_file.MalformedVectorsError):
        vectors_file.read(content, binary)


def test_similarity_ranks_as_people_do() -> None:
    words = ["cat", "dog", "car", "truck"]
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.3, 0.9]], np.float32)
    pairs = [("cat", "dog", 9.0), ("car", "truck", 8.0), ("cat", "car", 1.0), ("cat", "moon", 5.0)]
    found = similarity.measure(pairs, words, vectors)
    assert (found.total, found.not_found, found.rho) == (4, 1, pytest.approx(1.0))


def test_spearman_with_equal_values() -> None:
    """Equal values share a rank: 1, 2.5, 2.5, 4 against 1, 3, 2, 4."""
    assert similarity.spearman(np.array([1.0, 2, 2, 9]), np.array([1.0, 3, 2, 4])) == pytest.approx(0.9486833)
    assert similarity.spearman(np.ones(3), np.arange(3.0)) == 0


def test_a_list_of_word_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("# comment\n# Word 1\tWord 2\tHuman (mean)\nlove\tSex\t6.77\n")
    assert similarity.read_list(path) == [("love", "sex", 6.77)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"instances": "a"}',
        b'{"instances": []}',
        b'{"instances": [["a"]]}',
        b'{"instances": ["a"], "configuration": 3}',
    ],
)
def test_questions_that_are_none(body: bytes) -> None:
    with pytest.raises(questions.UnreadablePayloadError):
        questions.read(body, "application/json")


def test_questions() -> None:
    """DG:blazingtext: k for all instances of a JSON request, for each line of JSON Lines."""
    body: Any = b'{"instances": ["a\\nb", "c"], "configuration": {"k": 2}}'
    assert questions.read(body, "application/json") == [questions.Question("a b", 2), questions.Question("c", 2)]
    lines = b'{"source": "a", "k": 3}\n\n{"source": "b"}\n'
    assert questions.read(lines, "application/jsonlines") == [questions.Question("a", 3), questions.Question("b", 1)]


def test_sentences_hold_word_numbers(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a b unknown\n\nb a\n")
    found = batch_skipgram.read(path, {b"a": 0, b"b": 1})
    assert (found.ids.tolist(), found.places.tolist()) == ([0, 1, 1, 0], [0, 0, 2, 2])
    assert found.ids.dtype == np.dtype(array("i").typecode)
