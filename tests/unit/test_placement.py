"""Instance types as limits, and places on the machine. Feature rows A03, G11."""

from dataclasses import dataclass, field

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


@dataclass
class Line:
    """Slots with a clock of the test's, and who was told."""

    count: int
    now: float = 0.0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = Slots(self.count, clock=lambda: self.now)

    def ask(self, key: str, places: int = 1) -> str:
        return self.slots.ask(key, places, lambda: self.told.append(key))


def test_places() -> None:
    line = Line(1)
    slots = line.slots
    assert line.ask("a") == ""
    assert slots.take("a")
    assert slots.take("a")
    assert line.ask("a") == ""
    assert not slots.take("b")
    assert line.ask("b") == "Waiting for a place: this machine runs 1 instances at once, and 1 are taken"
    assert slots.take("c", adopted=True)
    slots.give_back("unknown")
    assert line.told == []
    slots.give_back("a")
    slots.give_back("c")
    assert line.told == ["b"]
    assert slots.take("b")
    assert slots.holds("b")


def test_a_job_gets_all_its_places_or_none() -> None:
    line = Line(4)
    slots = line.slots
    assert slots.take("one", 3)
    assert not slots.take("two", 3)
    assert line.ask("two", 3) == "Waiting for 3 places at once: this machine runs 4 instances at once, and 3 are taken"
    assert line.ask("three", 3)
    slots.give_back("one")
    assert line.told == ["two"], "only who can be served now is told"
    assert not slots.take("three", 3), "who asked first is first"
    assert slots.take("two", 3)


def test_a_job_that_wants_more_than_there_is_gets_everything() -> None:
    slots = Slots(4)
    assert slots.take("large", 9)
    assert not slots.take("small")
    slots.give_back("large")
    assert slots.take("small")
    assert not slots.take("large", 9)


def test_small_jobs_go_past_a_large_one_but_not_for_ever() -> None:
    line = Line(4)
    slots = line.slots
    slots.take("first", 3)
    assert line.ask("large", 4)
    assert slots.take("small")
    slots.give_back("small")
    for line.now in range(0, 70, 10):
        assert line.ask("large", 4)
    assert line.ask("late").endswith("and 3 are taken; a job that has waited longer comes first")
    assert not slots.take("late")
    slots.give_back("first")
    assert slots.take("large", 4)


def test_who_does_not_ask_any_more_holds_up_nobody() -> None:
    line = Line(2)
    line.slots.take("first")
    assert line.ask("gone", 2)
    line.now = 100.0
    assert line.ask("second") == ""
    assert line.slots.take("second")


def test_what_began_alike_is_forgotten_together() -> None:
    line = Line(2)
    line.slots.take("training/a", 2)
    line.ask("training/b")
    line.ask("transform/c")
    line.slots.forget("training/")
    assert not line.slots.holds("training/a")
    assert line.told[-1] == "transform/c"
