"""Images in: decoding, image records, lists, pipes, loading (H15, H16, H17; DG:image-classification)."""

from __future__ import annotations

import os
import threading
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.recordio import MalformedRecordError
from sagewright_algorithms.vision import geometry, lst, records, sources
from sagewright_algorithms.vision.image import UnreadableImageError, decode, decode_file, decode_labels, pixels
from sagewright_algorithms.vision.loader import Loader
from sagewright_algorithms.vision.records import ImageRecord

GRADIENT = np.stack(np.meshgrid(np.arange(40) * 6, np.arange(30) * 8), axis=-1).astype(np.uint8)
PICTURE = Image.fromarray(np.concatenate([GRADIENT, np.full((30, 40, 1), 7, np.uint8)], axis=2))


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16"])
def test_every_kind_of_png_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        wide = Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257)
        assert np.array_equal(pixels(decode(encoded(wide)))[:, :, 0], np.asarray(PICTURE.convert("L")))
        return
    found = decode(encoded(PICTURE.convert(mode)))
    assert (found.mode, found.size) == ("RGB", (40, 30))
    assert np.array_equal(np.asarray(found), np.asarray(PICTURE.convert(mode).convert("RGB")))


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(PICTURE, "JPEG", exif=exif)).size == (30, 40)


def test_a_large_jpeg_is_decoded_smaller_when_it_will_shrink_anyway() -> None:
    large = encoded(PICTURE.resize((1600, 1200)), "JPEG")
    assert decode(large, shorter=128).size == (200, 150)
    assert decode(large).size == (1600, 1200)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", encoded(PICTURE)[:60], encoded(PICTURE, "JPEG")[:200], encoded(PICTURE, "BMP")]
)
def test_what_is_no_image_names_the_file(content: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(content)
    with pytest.raises(ClientError, match=r"Unable to decode the image cats/1.jpg: it is not a whole image"):
        decode_file(content, "cats/1.jpg")


def test_an_image_of_too_many_pixels_is_not_decoded() -> None:
    with pytest.raises(UnreadableImageError, match="at most"):
        decode(encoded(Image.new("1", (20_000, 10_000))))


def test_label_images_keep_their_class_ids() -> None:
    ids = np.array([[0, 1], [2, 255]], np.uint8)
    palette = Image.new("P", (2, 2))
    palette.putdata(ids.ravel().tolist())
    palette.putpalette(list(range(256)) * 3)
    assert np.array_equal(np.asarray(decode_labels(encoded(palette))), ids)
    assert np.array_equal(np.asarray(decode_labels(encoded(Image.fromarray(ids)))), ids)
    with pytest.raises(UnreadableImageError, match="one channel"):
        decode_labels(encoded(PICTURE))


def test_sizes() -> None:
    random = np.random.default_rng(0)
    assert geometry.with_shorter_side(PICTURE, 15).size == (20, 15)
    assert geometry.stretched(PICTURE, 9, 7).size == (7, 9)
    middle = pixels(geometry.centre_crop(PICTURE, 10, 20))
    assert np.array_equal(middle, pixels(PICTURE)[10:20, 10:30])
    windows = {pixels(geometry.random_crop(PICTURE, 10, 10, random)).tobytes() for _ in range(20)}
    assert len(windows) > 10
    assert geometry.warped(PICTURE, random).size == PICTURE.size


def test_warping_keeps_the_centre_and_does_nothing_with_limits_of_zero() -> None:
    random = np.random.default_rng(3)
    assert np.array_equal(pixels(geometry.warped(PICTURE, random, 0, 0, 0)), pixels(PICTURE))
    spot = Image.new("RGB", (41, 41))
    spot.paste((255, 255, 255), (18, 18, 23, 23))
    for _ in range(20):
        assert pixels(geometry.warped(spot, random))[20, 20].tolist() == [255, 255, 255]


@pytest.mark.parametrize("label", [[3.0], [1.0, 0.0, 1.0], [2.0, 5.0, 0.1, 0.2, 0.3, 0.4, 1.0]])
def test_image_records_round_trip(label: list[float]) -> None:
    """MXNet's IRHeader: one label in the header, several behind it."""
    written = records.pack(ImageRecord(np.array(label, np.float32), 7, b"image"))
    (place,) = records.places(written)
    read = records.unpack(records.payload(written, place))
    assert (read.label.tolist(), read.identity, read.image) == (np.float32(label).tolist(), 7, b"image")


@pytest.mark.parametrize(
    "payload", [b"\x0a\x23\xd7\xce", b"1234\x0a\x23\xd7\xce5678\x0a\x23\xd7\xce", b"12\x0a\x23\xd7\xce", b""]
)
def test_the_magic_number_in_a_payload(payload: bytes) -> None:
    """dmlc's RecordIO cuts a payload at an aligned magic number; a reader of whole frames would lose the place."""
    content = records.frame(payload) + records.frame(b"next")
    assert [records.payload(content, place) for place in records.places(content)] == [payload, b"next"]


@pytest.mark.parametrize("damage", [slice(0, -1), slice(1, None), slice(0, 4)])
def test_damaged_record_files(damage: slice) -> None:
    with pytest.raises(MalformedRecordError):
        records.places(records.pack(ImageRecord(np.zeros(1, np.float32), 0, b"image!!!"))[damage])


def test_a_missing_part_of_a_record() -> None:
    whole = records.frame(b"1234\x0a\x23\xd7\xce5678")
    with pytest.raises(MalformedRecordError, match="cut off"):
        records.places(whole[:12])
    with pytest.raises(MalformedRecordError, match="missing"):
        records.places(whole[12:])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1\t0\ta.png\n1\t0\tb.png\n", "Line 2 of x.lst: an index for the second time"),
        ("1 0 a.png\n", "Line 1 of x.lst"),
        ("1\tcat\ta.png\n", "Line 1 of x.lst"),
        ("1\tnan\ta.png\n", "Line 1 of x.lst"),
        ("\n", "x.lst is empty"),
    ],
)
def test_lists_that_cannot_be_read(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.lst").write_text(text)
    with pytest.raises(ClientError, match=f"^Invalid lst file in the train channel. {reason}"):
        lst.read(lst.find(tmp_path, "train"), "train")


def test_listed_files_stay_in_their_channel(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "1.png").write_bytes(b"1")
    (tmp_path / "secret.png").write_bytes(b"2")
    (tmp_path / "x.lst").write_bytes(b"5\t1\tcats/1.png\r\n6\t0\t1\tcats/1.png\n")
    listed = lst.read(tmp_path / "x.lst", "train")
    source = sources.ListedFiles(folder, listed)
    assert [(example.image, example.label.tolist()) for example in (source[0], source[1]) if example.label is not None] == [
        (b"1", [1.0]),
        (b"1", [0.0, 1.0]),
    ]
    with pytest.raises(ClientError, match=r"The image ../secret.png of the lst file is not in the train channel"):
        sources.ListedFiles(folder, [lst.Listed(1, np.zeros(1, np.float32), "../secret.png")])


def test_pipes_of_records_and_of_an_augmented_manifest(tmp_path: Path) -> None:
    """AttributeNames ["source-ref", "class"] arrive as one frame each, in this order."""
    image = encoded(PICTURE)
    record = records.pack(ImageRecord(np.ones(1, np.float32), 0, image))
    pair = records.frame(image) + records.frame(b"[1, 0]")
    for name, content in (("train", record * 3), ("validation", pair * 2)):
        os.mkfifo(tmp_path / f"{name}_0")
        writer = threading.Thread(target=(tmp_path / f"{name}_0").write_bytes, args=(content,))
        writer.start()
        source = sources.recorded(tmp_path / name, {"TrainingInputMode": "Pipe"})
        writer.join()
        found = [source[number] for number in range(len(source))]
        assert all(example.image == image for example in found)
        assert [example.annotation for example in found] == ([None] * 3 if name == "train" else [b"[1, 0]"] * 2)


def test_a_channel_without_records(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(ClientError, match=r"Unable to start training. Empty .rec file in train channel."):
        sources.recorded(tmp_path / "train", {})
    (tmp_path / "train" / "a.rec").write_bytes(b"12345678")
    with pytest.raises(ClientError, match=r"Unable to parse record. .* not RecordIO"):
        sources.recorded(tmp_path / "train", {})


def test_the_loader_gives_the_same_batches_again() -> None:
    def load(number: int, random: np.random.Generator) -> tuple[int, float]:
        return number, float(random.random())

    def epochs() -> list[list[list[tuple[int, float]]]]:
        with Loader(load, 10, 3, shuffle=True, whole=True) as loader:
            return [list(loader.epoch(epoch)) for epoch in (0, 1)]

    first = epochs()
    assert first == epochs()
    assert first[0] != first[1]
    assert [len(batch) for batch in first[0]] == [3, 3, 3]
    with Loader(load, 10, 3) as loader:
        assert [[number for number, _ in batch] for batch in loader.epoch(0)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    with Loader(load, 2, 3, whole=True) as loader:
        assert [len(batch) for batch in loader.epoch(0)] == [2]


def test_a_bad_example_ends_the_epoch() -> None:
    def load(number: int, random: np.random.Generator) -> int:
        raise ClientError(f"Unable to decode the image {number}")

    with Loader(load, 5, 2) as loader, pytest.raises(ClientError, match="image 0"):
        list(loader.epoch(0))
