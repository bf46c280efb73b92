"""Network interfaces by rtnetlink(7) and netdevice(7): what is needed to join network namespaces by a bridge, and no more.

Standard library only: containers' first processes import this. Every function works in the calling process's own network
namespace and raises OSError with the kernel's errno; EOPNOTSUPP means that the kernel has no such kind of interface.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

_RTM_NEWLINK = 16
_NLMSG_ERROR = 2
_REQUEST_CREATED = 0x1 | 0x4 | 0x200 | 0x400  # NLM_F_REQUEST, _ACK, _EXCL, _CREATE
_IFF_UP = 0x1

_IFLA_IFNAME = 3
_IFLA_MASTER = 10
_IFLA_LINKINFO = 18
_IFLA_NET_NS_FD = 28
_IFLA_INFO_KIND = 1
_IFLA_INFO_DATA = 2
_VETH_INFO_PEER = 1

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C


def add_bridge(name: str) -> None:
    """Makes a bridge and brings it up."""
    _create(_attribute(_IFLA_IFNAME, _text(name)) + _kind("bridge"))


def add_port(bridge: str, name: str, peer: str, namespace: int) -> None:
    """Makes a pair of interfaces: ``name`` here, up and on the ``bridge``; ``peer`` in the network namespace of a descriptor."""
    other = _interface(0) + _attribute(_IFLA_IFNAME, _text(peer)) + _attribute(_IFLA_NET_NS_FD, struct.pack("I", namespace))
    _create(
        _attribute(_IFLA_IFNAME, _text(name))
        + _attribute(_IFLA_MASTER, struct.pack("I", socket.if_nametoindex(bridge)))
        + _kind("veth", _attribute(_VETH_INFO_PEER, other))
    )


def address(name: str, own: str, mask: str) -> None:
    """Gives an interface an IPv4 address."""
    _control(_SIOCSIFADDR, name, _socket_address(own))
    _control(_SIOCSIFNETMASK, name, _socket_address(mask))


def up(name: str) -> None:
    """Brings an interface up: in a new namespace even ``lo`` is down."""
    (flags,) = struct.unpack_from("h", _control(_SIOCGIFFLAGS, name, b""), 16)
    _control(_SIOCSIFFLAGS, name, struct.pack("h", flags | _IFF_UP))


def _control(request: int, name: str, value: bytes) -> bytes:
    """An ioctl with a struct ifreq: the name and what is asked or told of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        return fcntl.ioctl(control, request, struct.pack("16s24s", name.encode(), value))


def _socket_address(text: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def _create(attributes: bytes) -> None:
    """Asks the kernel for a new link that is up, and waits for its answer."""
    body = _interface(_IFF_UP) + attributes
    message = struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, _REQUEST_CREATED, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        answer = kernel.recv(1 << 16)
    _, kind, _, _, _, code = struct.unpack_from("=IHHIIi", answer)
    if kind != _NLMSG_ERROR:
        raise OSError(errno.EPROTO, f"rtnetlink answered with a message of type {kind}")
    if code:
        raise OSError(-code, f"RTM_NEWLINK: {os.strerror(-code)}")


def _interface(flags: int) -> bytes:
    """struct ifinfomsg: any family, any type, an index that the kernel chooses; ``flags`` are also the ones to change."""
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)


def _kind(name: str, data: bytes = b"") -> bytes:
    more = _attribute(_IFLA_INFO_DATA, data) if data else b""
    return _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, _text(name)) + more)


def _attribute(number: int, value: bytes) -> bytes:
    """struct rtattr with its value, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)


def _text(word: str) -> bytes:
    return word.encode() + b"\0"
