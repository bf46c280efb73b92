"""Who the processes of an image's container are: its own users, mapped to ids of the host that nobody else has.

As root we map the image's users 0 to 65535 (host.IMAGE_USERS), and its root gets what root of a Docker container has and
servers such as nginx and sshd need: to change owners and users, within the container's user namespace only. An ordinary user
has one id to give: the image's user is that one, and all of the image's files are its. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from sagewright.compute import launch, namespaces

USERS = 1 << 16
"""How many users an image may have."""

# linux/capability.h: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, SYS_CHROOT
_OF_ROOT = frozenset({0, 1, 3, 4, 5, 6, 7, 10, 18})
_SETUID = frozenset({7})


def show(pid: int, request: launch.Request) -> None:
    """Fills the new user namespace of ``pid``. By the shim, which is root of the host."""
    image, user = request["image"], request["user"]
    if image and image["users"] is not None:
        namespaces.map_users(pid, image["users"], USERS)
    elif image:
        namespaces.map_user(pid, image["user"], (user[0], user[1]), image["group"])
    else:
        namespaces.map_user(pid, 0, (user[0], user[1]))


def of_init(image: dict[str, Any] | None) -> tuple[int, int]:
    """As whom a container's init runs inside: root, unless only the image's user is there."""
    return (image["user"], image["group"]) if image and image["users"] is None else (0, 0)


def become(image: dict[str, Any], workdir: str) -> None:
    """Makes this process, the root of its user namespace, the image's user.

    Before, it makes the folder that the image is to run in: an image need not hold it, and its user may not be allowed to.
    """
    with contextlib.suppress(OSError):  # entering it says what is wrong
        Path(workdir).mkdir(parents=True, exist_ok=True)
    if image["users"] is not None:
        os.setgroups(image["groups"])
        os.setresgid(image["group"], image["group"], image["group"])
    if image["user"] == 0:
        namespaces.drop_privileges(_OF_ROOT)
        return
    if image["users"] is None:
        namespaces.drop_privileges()
        return
    namespaces.drop_privileges(until_change_of_user=_SETUID)
    os.setresuid(image["user"], image["user"], image["user"])
