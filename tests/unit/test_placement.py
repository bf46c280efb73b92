"""Instance types as limits, and places on the machine. Feature rows A03, G11."""

import pytest

from sagewright.compute.placement import GIB, Machine, Size, Slots, limits, notice, size


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("ml.m5.large", Size(2, 8 * GIB, False)),
        ("ml.m5.xlarge", Size(4, 16 * GIB, False)),
        ("ml.m5.24xlarge", Size(96, 384 * GIB, False)),
        ("ml.c5.9xlarge", Size(36, 72 * GIB, False)),
        ("ml.c4.xlarge", Size(4, int(7.5 * GIB), False)),
        ("ml.r5.large", Size(2, 16 * GIB, False)),
        ("ml.t3.medium", Size(2, 4 * GIB, False)),
        ("ml.t3.2xlarge", Size(8, 32 * GIB, False)),
        ("ml.m7i-flex.large", Size(2, 8 * GIB, False)),
        ("ml.p3.2xlarge", Size(8, 61 * GIB, True)),
        ("ml.g4dn.xlarge", Size(4, 16 * GIB, True)),
        ("ml.p4d.24xlarge", Size(96, 1152 * GIB, True)),
        ("ml.trn1.2xlarge", Size(8, 32 * GIB, True)),
        ("ml.unheard-of", Size(2, 8 * GIB, False)),
    ],
)
def test_sizes(instance_type: str, expected: Size) -> None:
    """The EC2 instance types' vCPUs and memory."""
    assert size(instance_type) == expected


def test_a_machine_gives_what_it_has() -> None:
    small = Machine(2, 8 * GIB)
    found = limits("ml.m5.4xlarge", 5, small)
    assert (found.cpus, found.memory, found.disk) == (2.0, int(8 * GIB * 0.9), 5 * GIB)
    assert limits("ml.m5.large", 0, Machine(64, 512 * GIB)).memory == 8 * GIB
    assert limits("ml.m5.large", 0, small).disk is None
    assert Machine.here().cpus >= 1
    assert Machine.here().memory > GIB


def test_accelerators_are_not_promised() -> None:
    assert "runs on CPU" in notice("ml.p3.2xlarge")
    assert notice("ml.m5.large") == ""


def test_places() -> None:
    slots, told = Slots(1), list[str]()
    assert slots.take("a")
    assert slots.take("a")
    assert not slots.take("b")
    slots.wait("b", lambda: told.append("b"))
    assert slots.take("c", adopted=True)
    slots.give_back("unknown")
    assert told == []
    slots.give_back("a")
    slots.give_back("c")
    assert told == ["b"]
    assert slots.take("b")
    assert slots.holds("b")
