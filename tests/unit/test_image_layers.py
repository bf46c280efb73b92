"""Layers, manifests and users of images, which come from whoever may push (G12, A10): what they hold stays inside them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.compute import host, trees
from sagewright.compute.oci import user
from sagewright.compute.oci.layer import unpack
from sagewright.compute.oci.layout import Layout
from sagewright.compute.oci.manifest import here
from sagewright.compute.oci.own_images import MissingImage, OwnImage, OwnImages, UnusableImage
from sagewright.compute.oci.reference import parse
from sagewright.compute.runtime import RootFs

WORLD = World("123456789012", "us-east-1")
ROOM = 1 << 24
Member = tuple[str, dict[str, Any], bytes]


def archive(*members: Member, packed: bool = True) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, changes, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for field, value in changes.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(content.getvalue()) if packed else content.getvalue()


def file(name: str, data: bytes = b"x", **changes: Any) -> Member:
    return name, changes, data


def link(name: str, goal: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return name, {"type": kind, "linkname": goal}, b""


def folder(name: str, **changes: Any) -> Member:
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755, **changes}, b""


@pytest.fixture
def into(tmp_path: Path) -> Callable[..., Path]:
    def unpacked(*members: Member, packed: bool = True, room: int = ROOM) -> Path:
        blob, target = tmp_path / "blob", tmp_path / "layer"
        blob.write_bytes(archive(*members, packed=packed))
        trees.remove(target)
        target.mkdir()
        unpack(blob, target, room, host.image_users(), None)
        return target

    return unpacked


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    first = host.image_users()
    return (status.st_uid - first, status.st_gid - first) if first is not None else (-1, -1)


@pytest.mark.parametrize("packed", [True, False])
def test_files_folders_and_links_are_unpacked(into: Callable[..., Path], packed: bool) -> None:
    layer = into(
        folder("./opt/", mode=0o711),
        file("./opt/program", b"run", mode=0o4755, uid=1000, gid=7),
        link("opt/latest", "/opt/program"),
        link("opt/second", "opt/program", tarfile.LNKTYPE),
        file("a/b/c/deep", b"deep"),
        packed=packed,
    )
    assert (layer / "opt/program").read_bytes() == b"run"
    assert stat.S_IMODE((layer / "opt/program").stat().st_mode) == 0o755, "setuid would be of no use"
    assert str((layer / "opt/latest").readlink()) == "/opt/program"
    assert (layer / "opt/second").stat().st_ino == (layer / "opt/program").stat().st_ino
    assert (layer / "a/b/c/deep").read_bytes() == b"deep"
    if host.image_users() is not None:
        assert owner(layer / "opt/program") == (1000, 7)
        assert owner(layer / "a/b") == (0, 0)


def test_what_is_removed_is_marked_for_overlayfs(into: Callable[..., Path]) -> None:
    layer = into(file("etc/.wh.motd", b""), folder("var/"), file("var/.wh..wh..opq", b""), file(".wh..wh.plnk", b""))
    status = (layer / "etc/motd").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert any(name.endswith("overlay.opaque") for name in os.listxattr(layer / "var"))
    assert sorted(entry.name for entry in layer.iterdir()) == ["etc", "var"]


@pytest.mark.parametrize(
    "members",
    [
        (file("../evil"),),
        (file("a/../../evil"),),
        (link("a", "/tmp"), file("a/evil")),
        (link("a", ".."), file("a/evil")),
        (link("a", "../victim", tarfile.LNKTYPE),),
        (link("a", "/etc/passwd", tarfile.LNKTYPE),),
        (link("in", "/etc"), link("a", "in/passwd", tarfile.LNKTYPE)),
        (file("a"), file("a/b")),
        (folder("a/"), file("a")),
        (file(".wh.."),),
        (file(".wh..."),),
        (file(".wh."),),
        (link("a", "/tmp"), file("a/.wh.victim", b"")),
        (file("a", uid=1 << 20),),
    ],
    ids=str,
)
def test_what_leaves_the_layer_is_refused(into: Callable[..., Path], tmp_path: Path, members: tuple[Member, ...]) -> None:
    (tmp_path / "victim").write_text("untouched")
    if members[0][1].get("uid") and host.image_users() is None:
        pytest.skip("who has one id gives nothing to anybody")
    with pytest.raises(ValueError, match="layer"):
        into(*members)
    assert (tmp_path / "victim").read_text() == "untouched"
    assert not (tmp_path / "evil").exists()
    assert not Path("/tmp/evil").exists()


def test_devices_are_left_out(into: Callable[..., Path]) -> None:
    layer = into(("dev/disk", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}, b""), file("kept"))
    assert not (layer / "dev/disk").exists()
    assert (layer / "kept").exists()


def test_absolute_names_are_the_images(into: Callable[..., Path]) -> None:
    assert (into(file("/etc/inside", b"y")) / "etc/inside").read_bytes() == b"y"


def test_a_later_member_wins_and_is_not_written_through_a_link(into: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    layer = into(link("a", str(tmp_path / "victim")), file("a", b"second"))
    assert (layer / "a").read_bytes() == b"second"
    assert (tmp_path / "victim").read_text() == "untouched"


def test_what_does_not_fit_is_refused(into: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        into(file("large", bytes(5000)), room=4096)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive" * 100), archive(file("x"))[:60]],
    ids=["nothing", "text", "packed text", "cut"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "blob").write_bytes(content)
    (tmp_path / "layer").mkdir()
    with pytest.raises(ValueError, match="tar archive"):
        unpack(tmp_path / "blob", tmp_path / "layer", ROOM, host.image_users())


# Users


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, (), "/root")),
        ("model", (1234, 1235, (77,), "/home/model")),
        ("1234", (1234, 1235, (77,), "/home/model")),
        ("model:extra", (1234, 77, (), "/home/model")),
        ("4000", (4000, 0, (), "/")),
        ("4000:5", (4000, 5, (), "/")),
    ],
)
def test_users_are_looked_up_as_docker_does(tmp_path: Path, text: str, expected: tuple[object, ...]) -> None:
    (tmp_path / "low/etc").mkdir(parents=True)
    (tmp_path / "low/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmodel:x:1234:1235::/home/model:/bin/sh\nbroken\n")
    (tmp_path / "low/etc/group").write_text("model:x:1235:\nextra:x:77:other,model\n")
    (tmp_path / "high").mkdir()
    assert user.find(text, [tmp_path / "low", tmp_path / "high"]) == expected


@pytest.mark.parametrize("text", ["nobody-here", "model:nogroup", "99999999", "70000", "-1"])
def test_users_that_are_not_there(tmp_path: Path, text: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("model:x:1234:1235::/home/model:/bin/sh\n")
    with pytest.raises(UnusableImage, match=r"unable to find|number below"):
        user.find(text, [tmp_path])


def test_a_link_in_the_place_of_passwd_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    with pytest.raises(UnusableImage, match="unable to find user root"):
        user.find("root", [tmp_path])
    os.mkfifo(tmp_path / "etc/group")
    assert user.find("0:5", [tmp_path]).group == 5, "a pipe nobody writes to is not waited for"


# References


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/algo:v1",
            (World("123456789012", "eu-west-1"), "team/algo", "v1", ""),
        ),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/algo", (World("123456789012", "cn-north-1"), "algo", "latest", "")),
        ("127.0.0.1:8400/algo:v1", (None, "algo", "v1", "")),
        ("localhost/algo", (None, "algo", "latest", "")),
        (f"[::1]:8400/algo@sha256:{'a' * 64}", (None, "algo", "", f"sha256:{'a' * 64}")),
        ("docker.io/library/python:3", None),
        ("algo:latest", None),
        ("localhost/../../etc", None),
        ("localhost/Algo", None),
    ],
)
def test_references(uri: str, expected: tuple[object, ...] | None) -> None:
    assert parse(uri) == expected


# Whole images


class Pushed:
    """The registry's folder, filled as the registry fills it."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root / "registry")
        self.images = OwnImages(root / "registry", root / "images")

    def blob(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.layout.blob(digest).parent.mkdir(parents=True, exist_ok=True)
        self.layout.blob(digest).write_bytes(content)
        return digest

    def push(self, name: str, tag: str, document: Any) -> str:
        digest = self.blob(json.dumps(document).encode())
        root = self.layout.root / "docker/registry/v2/repositories" / WORLD.account / WORLD.region / name / "_manifests"
        for link in (f"revisions/sha256/{digest[7:]}/link", f"tags/{tag}/current/link"):
            (root / link).parent.mkdir(parents=True, exist_ok=True)
            (root / link).write_text(digest)
        return digest

    def image(self, *layers: bytes, architecture: str = "", kind: str = "tar+gzip", **config: Any) -> dict[str, Any]:
        described = {"os": "linux", "architecture": architecture or here(), "config": config}
        found = [{"digest": self.blob(layer), "mediaType": f"application/vnd.oci.image.layer.v1.{kind}"} for layer in layers]
        return {"schemaVersion": 2, "config": {"digest": self.blob(json.dumps(described).encode())}, "layers": found}

    def pull(self, tag: str) -> OwnImage:
        return self.images._prepare(f"localhost/algo:{tag}", WORLD, "")


@pytest.fixture
def pushed(tmp_path: Path) -> Pushed:
    return Pushed(tmp_path)


def test_an_image_is_what_its_configuration_says(pushed: Pushed) -> None:
    layer, second = archive(file("a")), archive(file("b"))
    config = {"Env": ["A=1", "B=x=y"], "Entrypoint": ["python", "run.py"], "Cmd": ["help"], "WorkingDir": "/w", "User": "7"}
    pushed.push("algo", "v1", pushed.image(layer, second, layer, **config))
    image = pushed.pull("v1")
    assert isinstance(image.rootfs, RootFs)
    assert [sorted(entry.name for entry in folder.iterdir()) for folder in image.rootfs.layers] == [["b"], ["a"]], (
        "once, the highest"
    )
    assert (image.rootfs.user, image.env, image.workdir) == (7, {"HOME": "/", "A": "1", "B": "x=y"}, "/w")
    assert image.command("train") == ("python", "run.py", "train")
    assert image.command("") == ("python", "run.py", "help")
    assert image.command("train", (), ("--fast",)) == ("python", "run.py", "--fast")
    assert image.command("train", ("sh", "-c"), ("x",)) == ("sh", "-c", "x")


def test_an_index_names_the_image_for_this_machine(pushed: Pushed) -> None:
    ours = pushed.push("algo", "ours", pushed.image(archive(file("ours"))))
    theirs = pushed.push("algo", "theirs", pushed.image(archive(file("theirs")), architecture="mips"))
    entries = [
        {"digest": theirs, "platform": {"os": "linux", "architecture": "mips"}},
        {"digest": ours, "platform": {"os": "linux", "architecture": here()}},
    ]
    pushed.push("algo", "both", {"schemaVersion": 2, "manifests": entries})
    assert (pushed.pull("both").rootfs.layers[0] / "ours").exists()
    pushed.push("algo", "other", {"schemaVersion": 2, "manifests": entries[:1]})
    for tag in ("theirs", "other"):
        with pytest.raises(UnusableImage, match="linux/mips"):
            pushed.pull(tag)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda pushed: {"schemaVersion": 1}, "manifest"),
        (lambda pushed: [1], "manifest cannot be read"),
        (lambda pushed: {"schemaVersion": 2, "config": {"digest": "sha256:../../../etc/passwd"}}, "no digest"),
        (lambda pushed: {"schemaVersion": 2, "config": {"digest": f"sha256:{'0' * 64}"}}, "not in the registry"),
        (lambda pushed: pushed.image(), "no layers"),
        (lambda pushed: pushed.image(b"x", kind="tar+zstd"), "zstd"),
        (lambda pushed: pushed.image(b"no archive"), "tar archive"),
        (lambda pushed: pushed.image(archive(file("../x"))), "leaves the image"),
        (lambda pushed: pushed.image(archive(file("x")), User="ghost"), "unable to find user ghost"),
    ],
)
def test_images_that_cannot_run_say_why(pushed: Pushed, broken: Callable[[Pushed], Any], words: str) -> None:
    pushed.push("algo", "bad", broken(pushed))
    with pytest.raises(UnusableImage, match=words):
        pushed.pull("bad")
    assert not list((pushed.layout.root.parent / "images").glob("*/*")) or "ghost" in words, "nothing half unpacked stays"


def test_images_that_are_not_there(pushed: Pushed) -> None:
    with pytest.raises(MissingImage) as unknown:
        pushed.pull("v1")
    assert unknown.value.whole
    digest = pushed.push("algo", "v1", pushed.image(archive(file("a"))))
    with pytest.raises(MissingImage, match="Requested image localhost/algo:v2 not found") as missing:
        pushed.pull("v2")
    assert not missing.value.whole
    repository = pushed.layout.repository(WORLD, "algo")
    assert (repository.tags(), repository.digests()) == ({"v1": digest}, [digest])
    repository.remove_manifest(digest)
    with pytest.raises(MissingImage):
        pushed.pull("v1")
