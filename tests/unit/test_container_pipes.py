"""Pipe mode in a container: FIFOs for each epoch, what they stream, readers that stop early, data that is not what it should be.

DG your-algorithms-training-algo-running-container, API Channel, API ShuffleConfig, DG augmented-manifest. Feature row G05.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagewright_algorithms.vision.sources import recorded
from sagewright_container import feed
from sagewright_container.layout import Layout
from sagewright_container.pipes import start
from sagewright_container.pipes.records import Channel

FILES = {"one": b"1,2\n", "two": b"3,4\n", "three": b"5,6\n"}
EPOCHS = """
import sys
for epoch in range(int(sys.argv[1])):
    with open(f"{sys.argv[2]}_{epoch}", "rb") as pipe:
        print(pipe.read().hex())
"""


def piped(root: Path, files: dict[str, bytes], name: str = "train", **changes: Any) -> Path:
    """A channel as the server leaves it; returns the path that its FIFOs' names begin with."""
    folder = root / "input" / ".pipe" / name
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    records = [[{"File": file, "Key": f"s3://bucket/{file}"}] for file in files]
    plan = {"Records": records, "Gzip": False, "RecordIO": False, "Seed": None, "Shard": [0, 1], **changes}
    (folder / "channel.json").write_text(json.dumps(plan))
    return root / "input" / "data" / name


def run(root: Path, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "sagewright_container", "feed", sys.executable, "-c", program, *map(str, arguments)]
    environment = {**os.environ, "SAGEWRIGHT_ML_ROOT": str(root)}
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, check=False)


def epochs(root: Path, count: int, data: Path) -> list[bytes]:
    done = run(root, EPOCHS, count, data)
    assert (done.returncode, done.stderr) == (0, "")
    return [bytes.fromhex(line) for line in done.stdout.splitlines()]


def record(content: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(content)) + content + b"\0" * (-len(content) % 4)


def test_every_epoch_has_a_pipe_of_all_files(tmp_path: Path) -> None:
    data = piped(tmp_path, FILES)
    assert epochs(tmp_path, 3, data) == [b"1,2\n3,4\n5,6\n"] * 3


def test_more_than_a_pipe_holds(tmp_path: Path) -> None:
    content = os.urandom(5 << 20)
    assert epochs(tmp_path, 1, piped(tmp_path, {"large": content})) == [content]


def test_no_objects_are_an_empty_epoch(tmp_path: Path) -> None:
    """ShardedByS3Key with more instances than objects."""
    assert epochs(tmp_path, 2, piped(tmp_path, {})) == [b"", b""]


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    files = {name: gzip.compress(content) for name, content in FILES.items()}
    files["two"] = gzip.compress(b"3,") + gzip.compress(b"4\n")
    assert epochs(tmp_path, 1, piped(tmp_path, files, Gzip=True)) == [b"1,2\n3,4\n5,6\n"]


@pytest.mark.parametrize("packed", [False, True])
def test_every_object_is_wrapped_in_a_record(tmp_path: Path, packed: bool) -> None:
    """API Channel, RecordWrapperType."""
    files = {"one": b"abc", "two": b"abcd"}
    kept = {name: gzip.compress(content) for name, content in files.items()} if packed else files
    expected = record(b"abc") + record(b"abcd")
    assert epochs(tmp_path, 1, piped(tmp_path, kept, Gzip=packed, RecordIO=True)) == [expected]


@pytest.mark.parametrize(
    ("wrapped", "expected"), [(False, b"jpeg1jpeg0"), (True, b"".join(map(record, (b"jpeg", b"1", b"jpeg", b"0"))))]
)
def test_attributes_follow_one_another(tmp_path: Path, wrapped: bool, expected: bytes) -> None:
    """DG augmented-manifest-stream: recordio(image)recordio("1")recordio(image)recordio("0")."""
    records = [[{"File": "image", "Key": "s3://bucket/image"}, {"Text": text}] for text in "10"]
    data = piped(tmp_path, {"image": b"jpeg"}, Records=records, RecordIO=wrapped)
    assert epochs(tmp_path, 1, data) == [expected]


def test_vision_algorithms_read_an_augmented_manifest(tmp_path: Path) -> None:
    """DG image-classification, Train with Augmented Manifest Image Format: ["source-ref", "class"], wrapped."""
    image = b"\xff\xd8\xff an encoded image"
    records = [[{"File": "image", "Key": "s3://bucket/image"}, {"Text": text}] for text in "10"]
    data = piped(tmp_path, {"image": image}, Records=records, RecordIO=True)
    [content] = epochs(tmp_path, 1, data)
    (tmp_path / "copy_0").write_bytes(content)
    source = recorded(tmp_path / "copy", {"TrainingInputMode": "Pipe"})
    assert [(source[number].image, source[number].annotation) for number in range(len(source))] == [
        (image, b"1"),
        (image, b"0"),
    ]


def test_each_epoch_is_shuffled_anew_and_every_run_alike(tmp_path: Path) -> None:
    """API ShuffleConfig."""
    files = {str(number): bytes([number]) for number in range(64)}
    data = piped(tmp_path / "a", files, Seed=7)
    first = epochs(tmp_path / "a", 2, data)
    assert [sorted(epoch) for epoch in first] == [list(range(64))] * 2
    assert first[0] != first[1] != bytes(range(64))
    assert epochs(tmp_path / "b", 2, piped(tmp_path / "b", files, Seed=7)) == first
    assert epochs(tmp_path / "c", 1, piped(tmp_path / "c", files, Seed=8)) != first[:1]


def test_instances_share_every_epoch_anew(tmp_path: Path) -> None:
    """API ShuffleConfig with ShardedByS3Key: together all records, and not the same ones in each epoch."""
    files = {str(number): b"" for number in range(31)}
    for host in range(2):
        piped(tmp_path / str(host), files, Seed=1, Shard=[host, 2])
    hosts = [Channel.read(tmp_path / str(host) / "input/.pipe/train") for host in range(2)]
    shared = [[{part["File"] for [part] in host.epoch(epoch)} for host in hosts] for epoch in range(2)]
    assert all(first | second == set(files) and not first & second for first, second in shared)
    assert shared[0] != shared[1]


def test_a_reader_may_stop_early(tmp_path: Path) -> None:
    """Contract §G: closing early is allowed; the next epoch is whole."""
    data = piped(tmp_path, {"large": b"x" * (3 << 20)})
    program = "import sys\nwith open(sys.argv[1] + '_0', 'rb') as pipe: pipe.read(10)\nprint(len(open(sys.argv[1] + '_1', 'rb').read()))"
    done = run(tmp_path, program, data)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{3 << 20}\n", "")


def test_channels_do_not_wait_for_each_other(tmp_path: Path) -> None:
    for name in ("train", "validation"):
        piped(tmp_path, {"large": name.encode() * (1 << 18)}, name)
    program = """
import sys
with open(sys.argv[1] + "/validation_0", "rb") as second, open(sys.argv[1] + "/train_0", "rb") as first:
    print(len(first.read()), len(second.read()))
"""
    assert run(tmp_path, program, tmp_path / "input/data").stdout == f"{5 << 18} {10 << 18}\n"


def test_one_pipe_is_left_for_the_next_epoch_only(tmp_path: Path) -> None:
    data = piped(tmp_path, FILES)
    epochs(tmp_path, 3, data)
    assert sorted(path.name for path in data.parent.iterdir()) == ["train_2", "train_3"]


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"1,2\n")[:-6]], ids=["text", "cut"])
def test_what_is_no_gzip_file_ends_the_job(tmp_path: Path, content: bytes) -> None:
    """The program is killed before it can take what came for all there is."""
    data = piped(tmp_path, {"a.csv": content}, Gzip=True)
    done = run(tmp_path, f"{EPOCHS}\nprint('trained')", 1, data)
    assert done.returncode == -9
    assert "trained" not in done.stdout
    reason = (tmp_path / "output/failure").read_text()
    assert reason.startswith("ClientError: Data download failed:s3://bucket/a.csv is not a gzip file: ")


def test_feeders_end_with_the_program(tmp_path: Path) -> None:
    """Their standard output is the program's, so its end shows that none is left."""
    piped(tmp_path, FILES)
    assert run(tmp_path, "print('read nothing')").stdout == "read nothing\n"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sagewright_container", "feed", "/no/such/program"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "SAGEWRIGHT_ML_ROOT": str(tmp_path)}
    )
    assert (done.returncode, done.stderr) == (127, "/no/such/program: No such file or directory\n")


def test_without_pipes_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File mode pays one look at the file system."""
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a feeder was started"))
    start.start(Layout(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_feed_needs_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sagewright_container", "feed"])
    assert feed.main() == 2
    assert capsys.readouterr().err.startswith("usage: ")
