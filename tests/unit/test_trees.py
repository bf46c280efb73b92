"""Trees that a container wrote are measured and removed whatever they hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagewright.compute import trees


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x" * 100_000)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "folder").symlink_to(outside)
    (tree / "file").symlink_to(outside / "precious")
    assert trees.disk_use(tree) < 50_000
    trees.remove(tree)
    assert not tree.exists()
    assert (outside / "precious").exists()


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").touch()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    trees.remove(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "outside" / "precious").exists()


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 1_000_000)
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    assert 1_000_000 <= trees.disk_use(tmp_path, tmp_path) < 1_100_000


def test_folders_without_permissions(tmp_path: Path) -> None:
    for mode in (0o000, 0o400, 0o500, 0o100):
        folder = tmp_path / "tree" / f"{mode:o}" / "below"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 100_000)
        folder.chmod(mode)
        folder.parent.chmod(mode)
    assert trees.disk_use(tmp_path / "tree") >= 400_000
    trees.remove(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_deeper_than_a_path_may_be_long(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=descriptor)
        below = os.open("deeper", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    assert trees.disk_use(root) > 0
    trees.remove(root)
    assert not root.exists()


def test_removing_twice_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    trees.remove(tmp_path / "tree")
    trees.remove(tmp_path / "tree")
    assert trees.disk_use(tmp_path / "tree") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_giving_a_tree_away_leaves_the_targets_of_links(tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "link").symlink_to(tmp_path / "outside")
    trees.give(tree, 65534, 65534)
    assert tree.stat().st_uid == (tree / "folder" / "link").lstat().st_uid == 65534
    assert (tmp_path / "outside").stat().st_uid == 0
