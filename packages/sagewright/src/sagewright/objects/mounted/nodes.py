"""The numbers by which the kernel knows files and folders: each is kept for as long as the kernel does."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.objects.mounted.names import Named
from sagewright.objects.mounted.protocol import ROOT, Attributes
from sagewright.objects.s3 import Stored


@dataclass(slots=True)
class Node:
    """A file or folder; ``path`` is that below the root, with a slash at the end of a folder's (the root's is empty)."""

    number: int
    path: str
    stored: Stored | None
    lookups: int = 0


class Nodes:
    """All nodes of one file system; ``owner`` is whose files are shown as, ``since`` how old its folders are (epoch seconds)."""

    def __init__(self, owner: tuple[int, int], since: float) -> None:
        self._owner = owner
        self._since = since
        self._by_number = {ROOT: Node(ROOT, "", None, 1)}
        self._by_path: dict[str, Node] = {}
        self._last = ROOT

    def __getitem__(self, number: int) -> Node:
        """Raises KeyError."""
        return self._by_number[number]

    def __len__(self) -> int:
        return len(self._by_number)

    def met(self, folder: Node, named: Named) -> Node:
        """The node of a name that the kernel is told of now: it will forget it once more. A changed object is another node."""
        path = f"{folder.path}{named.name}{'' if named.stored else '/'}"
        node = self._by_path.get(path)
        if node is None or node.stored != named.stored:
            self._last += 1
            node = self._by_number[self._last] = self._by_path[path] = Node(self._last, path, named.stored)
        node.lookups += 1
        return node

    def forget(self, number: int, lookups: int) -> None:
        """The kernel has forgotten so many lookups of a node."""
        node = self._by_number.get(number)
        if node is None or number == ROOT:
            return
        node.lookups -= lookups
        if node.lookups <= 0:
            del self._by_number[number]
            if self._by_path.get(node.path) is node:
                del self._by_path[node.path]

    def attributes(self, node: Node) -> Attributes:
        """What stat shows."""
        stored = node.stored
        if stored is None:
            return Attributes(node.number, 0, self._since, True, self._owner)
        return Attributes(node.number, stored.size, stored.modified, False, self._owner)
