"""Places and GPUs on the machine: who has them, who waits, who has to go. Feature rows A03, G09, G11."""

from dataclasses import dataclass, field

from sagewright.compute.placement import Machine
from sagewright.compute.slots import Need, Slots


@dataclass
class Line:
    """Slots with a clock of the test's, and who was told."""

    count: int
    gpus: tuple[str, ...] = ()
    now: float = 0.0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = Slots(self.count, self.gpus, clock=lambda: self.now)

    def ask(self, key: str, places: int = 1, gpus: int = 0, spot: bool = False) -> str:
        return self.slots.ask(key, need(places, gpus, spot), lambda: self.told.append(key))

    def take(self, key: str, places: int = 1, gpus: int = 0, spot: bool = False, adopted: bool = False) -> bool:
        return self.slots.take(key, need(places, gpus, spot), adopted, told=lambda: self.told.append(key))


def need(places: int = 1, gpus: int = 0, spot: bool = False) -> Need:
    return Need(places, (gpus,) if gpus else (), spot)


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
    assert slots.take("one", need(3))
    assert not slots.take("two", need(3))
    assert line.ask("two", 3) == "Waiting for 3 places at once: this machine runs 4 instances at once, and 3 are taken"
    assert line.ask("three", 3)
    slots.give_back("one")
    assert line.told == ["two"], "only who can be served now is told"
    assert not slots.take("three", need(3)), "who asked first is first"
    assert slots.take("two", need(3))


def test_a_job_that_wants_more_than_there_is_gets_everything() -> None:
    slots = Slots(4)
    assert slots.take("large", need(9))
    assert not slots.take("small")
    slots.give_back("large")
    assert slots.take("small")
    assert not slots.take("large", need(9))


def test_small_jobs_go_past_a_large_one_but_not_for_ever() -> None:
    line = Line(4)
    slots = line.slots
    slots.take("first", need(3))
    assert line.ask("large", 4)
    assert slots.take("small")
    slots.give_back("small")
    for line.now in range(0, 70, 10):
        assert line.ask("large", 4)
    assert line.ask("late").endswith("and 3 are taken; a job that has waited longer comes first")
    assert not slots.take("late")
    slots.give_back("first")
    assert slots.take("large", need(4))


def test_who_does_not_ask_any_more_holds_up_nobody() -> None:
    line = Line(2)
    line.slots.take("first")
    assert line.ask("gone", 2)
    line.now = 100.0
    assert line.ask("second") == ""
    assert line.slots.take("second")


def test_what_began_alike_is_forgotten_together() -> None:
    line = Line(2)
    line.slots.take("training/a", need(2))
    line.ask("training/b")
    line.ask("transform/c")
    line.slots.forget("training/")
    assert not line.slots.holds("training/a")
    assert line.told[-1] == "transform/c"


def test_a_machine_has_two_places_for_each_core_and_four_at_least() -> None:
    assert (Slots.of(Machine(1, 1)).count, Slots.of(Machine(8, 1)).count) == (4, 16)
    assert Slots.of(Machine(1, 1, ("0", "1"))).gpus == ("0", "1")


def test_each_gpu_has_one_owner() -> None:
    line = Line(9, ("a", "b", "c"))
    assert line.take("one", gpus=1)
    assert line.take("two", gpus=2)
    assert (line.slots.devices("one"), line.slots.devices("two")) == ((("a",),), (("b", "c"),))
    assert line.slots.devices("nobody") == ()
    assert line.ask("three", gpus=1) == "Waiting for 1 GPU: this machine has 3, and 3 are taken"
    assert line.ask("plain") == "", "who wants none need not wait"
    line.slots.give_back("two")
    assert line.told == ["three"]
    assert line.take("three", gpus=1)
    assert line.slots.devices("three") == (("b",),)


def test_who_wants_more_gpus_than_there_are_gets_them_all_alone() -> None:
    line = Line(9, ("a", "b"))
    assert line.take("large", gpus=8)
    assert line.slots.devices("large") == (("a", "b"),)
    assert line.ask("next", gpus=1) == "Waiting for 1 GPU: this machine has 2, and 2 are taken"
    none = Line(9)
    assert none.take("large", gpus=8)
    assert none.slots.devices("large") == ((),)


def test_who_runs_already_keeps_its_gpus() -> None:
    line = Line(9, ("a", "b"))
    assert line.slots.take("running", need(gpus=1), adopted=True, devices=(("b",),))
    assert line.take("new", gpus=1)
    assert line.slots.devices("new") == (("a",),)


def test_what_is_passed_on() -> None:
    """A warm pool: its places and GPUs change hands, and nobody else can have them in between."""
    line = Line(1, ("a",))
    assert line.take("first", gpus=1)
    assert line.ask("second", gpus=1)
    line.slots.pass_on("first", "second")
    assert not line.slots.holds("first")
    assert line.slots.devices("second") == (("a",),)
    line.slots.pass_on("nobody", "third")
    assert not line.slots.holds("third")


def test_spot_jobs_leave_for_others_the_last_one_first() -> None:
    line = Line(3)
    for name in ("early", "late"):
        assert line.take(name, spot=True)
    assert line.take("demanding")
    assert line.ask("more")
    assert line.told == ["late"]
    assert (line.slots.reclaimed("late"), line.slots.reclaimed("early")) == (True, False)
    assert line.ask("more")
    assert line.told == ["late"], "one is enough"
    line.slots.give_back("late")
    assert line.told == ["late", "more"]
    assert line.ask("late", spot=True), "what became free is for whom it was taken"
    assert line.take("more")
    assert not line.slots.reclaimed("late")


def test_spot_jobs_stay_where_their_leaving_would_help_nobody() -> None:
    line = Line(4)
    assert line.take("large", 3)
    assert line.take("spot", spot=True)
    assert line.ask("larger", 4)
    assert line.told == []
    assert line.ask("spot too", spot=True)
    assert line.told == [], "one spot job does not drive another out"


def test_spot_jobs_stand_behind_all_others() -> None:
    line = Line(2)
    assert line.take("first", 2)
    assert line.ask("spot", spot=True)
    assert line.ask("demanding")
    line.slots.give_back("first")
    assert line.told == ["demanding", "spot"]
    assert line.ask("spot", spot=True), "it may be served once the other has been"
    assert line.take("demanding")
    assert line.take("spot", spot=True)


def test_a_gpu_is_reclaimed_from_a_spot_job() -> None:
    line = Line(9, ("a",))
    assert line.take("plain", spot=True)
    assert line.take("spot", gpus=1, spot=True)
    assert line.ask("demanding", gpus=1)
    assert line.slots.reclaimed("spot")
