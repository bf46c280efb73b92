"""The plan of a tuning job: for what can be seen of its trials, what is done and what is written.

I01; API StopHyperParameterTuningJob, TuningJobCompletionCriteria, HyperbandStrategyConfig; DG automatic-model-tuning-early-stopping.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.tuning import tuning_job

from sagewright.base.world import World
from sagewright.features.tuning import completion, defaults
from sagewright.features.tuning.early_stopping import hopeless, rungs
from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.plan import plan
from sagewright.features.tuning.search import Question, propose
from sagewright.features.tuning.settings import Resources, Settings
from sagewright.features.tuning.sight import Drop, Forget, Inherit, Launch, Settle, Sight, Stop
from sagewright.features.tuning.trial import Child, Trial
from sagewright.kernel.operation import Caller, Context
from sagewright.store.rows import Resource

T0 = 1_800_000_000.0
WORLD = World("123456789012", "us-east-1")
CONTEXT = Context(Caller(WORLD, "arn:aws:iam::123456789012:user/u", "A"), "id", T0)


def job(state: str = "InProgress", **changes: Any) -> Resource:
    spec = tuning_job(**changes)
    status = defaults.filled(CONTEXT, spec)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tuning"
    return Resource(WORLD, "HyperParameterTuningJob", "tuning", arn, "tuning", state, spec=spec, status=status, created=T0)


def trial(number: int, objective: float | None = None, status: str = "Completed", **more: Any) -> Trial:
    return Trial(number, f"tuning-{number:03d}-0", {"x": f"0.{number}"}, status=status, objective=objective, **more)


def running(number: int) -> Trial:
    return trial(number, status="")


def ledger(*trials: Trial) -> Ledger:
    return Ledger.of(trials, {})


class TestPlan:
    def test_what_is_proposed_is_launched_and_counted(self) -> None:
        found = plan(job(), Sight(proposals=(running(1), running(2))), T0 + 1)
        assert found.actions == (Launch(running(1)), Launch(running(2)))
        assert found.status is not None
        assert found.status["TrainingJobStatusCounters"]["InProgress"] == 2

    def test_a_trial_without_its_training_job_is_launched_again(self) -> None:
        """Control ended between writing it down and making the training job."""
        found = plan(job(), Sight(trials=(running(1),)), T0 + 1)
        assert found.actions == (Launch(running(1)),)

    def test_an_ended_training_job_is_written_down(self) -> None:
        sight = Sight(trials=(running(1),), children={1: Child("Completed", 0.5, times={"CreationTime": T0})})
        found = plan(job(), sight, T0 + 1)
        assert found.actions == (Settle(trial(1, 0.5, times={"CreationTime": T0})),)
        assert found.status is not None
        assert found.status["BestTrainingJob"]["TrainingJobName"] == "tuning-001-0"

    def test_parents_first(self) -> None:
        assert plan(job(), Sight(inherited=False), T0).actions == (Inherit(),)

    def test_stopping_stops_and_waits(self) -> None:
        sight = Sight(trials=(running(1), running(2), running(3)), children={1: Child("InProgress"), 2: Child("Stopping")})
        found = plan(job("Stopping"), sight, T0 + 1)
        assert found.actions == (Drop(running(3)), Stop(running(1)))
        assert found.state is None
        last = plan(job("Stopping"), Sight(trials=(trial(1, status="Stopped"),)), T0 + 9)
        assert (last.actions, last.state, last.due) == ((Forget(),), "Stopped", None)

    def test_time_is_up(self) -> None:
        one = job(limits={"MaxRuntimeInSeconds": 120})
        sight = Sight(trials=(running(1),), children={1: Child("InProgress")})
        assert plan(one, sight, T0 + 1).due == T0 + 3
        assert plan(one, sight, T0 + 119).due == T0 + 120
        found = plan(one, sight, T0 + 120)
        assert found.actions == (Stop(running(1)),)
        assert found.status is not None
        assert found.status["Run"]["Ending"]["State"] == "Completed"

    def test_nothing_is_written_when_nothing_has_changed(self) -> None:
        one = job()
        sight = Sight(trials=(running(1),), children={1: Child("InProgress")})
        first = plan(one, sight, T0 + 1)
        assert first.status is not None
        assert plan(replace(one, status=first.status), sight, T0 + 2).status is None

    def test_what_has_ended_is_left_alone(self) -> None:
        assert plan(job("Completed"), Sight(), T0).actions == ()


class TestCompletion:
    def ends(self, *trials: Trial, **changes: Any) -> completion.Ending | None:
        return completion.ending(Settings.of(job(**changes)), ledger(*trials), 1.0)

    def test_by_number(self) -> None:
        three = (trial(1, 0.1), trial(2, 0.2), trial(3, status="Failed"))
        assert self.ends(*three) == completion.Ending("Completed")
        assert self.ends(*three[:2], running(3)) is None

    def test_by_failures(self) -> None:
        failed = tuple(trial(number, status="Failed") for number in range(1, 6))
        found = self.ends(*failed, limits={"MaxNumberOfTrainingJobs": 9})
        assert found is not None
        assert found.reason == completion.NONE_SUCCEEDED.format(5)
        assert self.ends(*failed[:4], limits={"MaxNumberOfTrainingJobs": 9}) is None
        assert self.ends(*failed[:4], trial(5, 0.1), limits={"MaxNumberOfTrainingJobs": 9}) is None

    @pytest.mark.parametrize(
        ("direction", "target", "over"), [("Minimize", 0.3, True), ("Minimize", 0.1, False), ("Maximize", 0.1, True)]
    )
    def test_by_target(self, direction: str, target: float, over: bool) -> None:
        config = {
            "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": target},
            "HyperParameterTuningJobObjective": {"Type": direction, "MetricName": "loss"},
        }
        assert (self.ends(trial(1, 0.2), config=config) is not None) is over

    def test_not_improving_counts_less_than_one_percent(self) -> None:
        settings = Settings.of(job())
        values = (1.0, 0.995, 0.5, 0.4999, 0.6)
        trials = tuple(trial(number, value) for number, value in enumerate(values, 1))
        assert completion.not_improving(settings, ledger(*trials)) == 2

    def test_convergence(self) -> None:
        trials = tuple(trial(number, 1.0) for number in range(1, 12))
        criteria = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
        limits = {"MaxNumberOfTrainingJobs": 99}
        config = {"TuningJobCompletionCriteria": criteria}
        assert self.ends(*trials, config=config, limits=limits) == completion.Ending("Completed")
        assert self.ends(*trials[:10], config=config, limits=limits) is None


class TestEarlyStopping:
    def stopped(self, curves: dict[int, list[float]], direction: str = "Minimize") -> list[int]:
        objective = {"Type": direction, "MetricName": "loss"}
        settings = Settings.of(
            job(config={"TrainingJobEarlyStoppingType": "Auto", "HyperParameterTuningJobObjective": objective})
        )
        trials = (*(trial(number, 0.1) for number in (1, 2, 3)), running(4))
        return [item.number for item in hopeless(settings, ledger(*trials), curves)]

    def test_the_median_of_running_averages(self) -> None:
        others = {1: [0.4, 0.2, 0.1], 2: [0.6, 0.4], 3: [0.8, 0.6]}  # averages of two: 0.3, 0.5, 0.7
        assert self.stopped({**others, 4: [0.9, 0.51]}) == [4]
        assert self.stopped({**others, 4: [0.9, 0.49]}) == []
        assert self.stopped({**others, 4: [0.9]}) == [], "too early to say"
        assert self.stopped({1: [0.1], 2: [0.1], 3: [0.1], 4: [0.9, 0.9]}) == [], "nobody has come as far"
        assert self.stopped({**others, 4: [0.9, 0.49]}, "Maximize") == [4]

    def test_rungs_of_hyperband(self) -> None:
        resources = Resources(1, 9)
        assert [rungs(resources, number) for number in (1, 2, 3, 4)] == [(1, 3), (3,), (), (1, 3)]

    def test_hyperband(self) -> None:
        config = {"Strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 18}}}
        settings = Settings.of(job(config=config))
        # Brackets take turns; trials 1, 4 and 7 are in the first, whose first rung is 2.
        trials = (running(1), running(4), running(7))
        curves = {1: [0.5, 0.5], 4: [0.9, 0.9], 7: [0.1, 0.1]}
        assert [item.number for item in hopeless(settings, ledger(*trials), curves)] == [1, 4]
        assert [item.number for item in hopeless(settings, ledger(*trials), {7: [0.1]})] == [], "MinResource is not reached"
        assert [item.number for item in hopeless(settings, ledger(*trials), {7: [0.1] * 18})] == [7], "MaxResource is used up"


class Recorder:
    """A sampler that always answers the middle and notes what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def ask(self, job: str, question: Question) -> list[float | str]:
        self.questions.append(question)
        return [0.5 for _ in question.space.ranges]

    async def warm(self) -> None:
        pass


class TestSearch:
    async def asked(self, settings: Settings, *trials: Trial, **more: Any) -> tuple[tuple[Trial, ...], list[Question]]:
        recorder = Recorder()
        given = {"prior": (), "transfer": False, **more}
        found = await propose(
            "job", settings, ledger(*trials), given["prior"], given["transfer"], recorder, lambda number: f"n{number}"
        )
        return found, recorder.questions

    async def test_no_more_than_there_is_room_for(self) -> None:
        settings = Settings.of(job(limits={"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 3}))
        found, _ = await self.asked(settings, running(1))
        assert [item.number for item in found] == [2, 3]
        found, _ = await self.asked(settings, *(trial(number, 0.1) for number in range(1, 5)))
        assert [item.number for item in found] == [5]

    async def test_the_same_question_has_the_same_answer(self) -> None:
        settings = Settings.of(job(limits={"MaxParallelTrainingJobs": 3}, config={"RandomSeed": 1}))
        assert await self.asked(settings) == await self.asked(settings)

    async def test_the_sampler_is_told_losses_and_what_runs(self) -> None:
        objective = {"Type": "Maximize", "MetricName": "loss"}
        limits = {"MaxNumberOfTrainingJobs": 99, "MaxParallelTrainingJobs": 2}
        settings = Settings.of(
            job(config={"Strategy": "Bayesian", "HyperParameterTuningJobObjective": objective}, limits=limits)
        )
        trials = tuple(replace(trial(number, number / 10), values={"x": str(number / 20)}) for number in range(1, 12))
        found, questions = await self.asked(settings, *trials, replace(running(12), values={"x": "0.9"}))
        assert found[0].values == {"x": "0.5"}
        assert questions[0].told[0] == ((0.05,), -0.1)
        assert questions[0].pending == ((0.9,),)

    async def test_a_finite_space_is_not_tried_twice(self) -> None:
        ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "b", "c"]}]}
        settings = Settings.of(job(ranges=ranges, limits={"MaxParallelTrainingJobs": 3}))
        found, _ = await self.asked(settings)
        assert {item.values["x"] for item in found} == {"a", "b", "c"}


def test_what_is_written_of_a_trial_is_what_is_read() -> None:
    one = trial(3, 0.25, failure="no", refusal="never", times={"CreationTime": T0})
    row = one.row(job())
    assert Trial.of(replace(row, status=json.loads(json.dumps(row.status)))) == one


def test_of_several_instance_configs_the_first_counts() -> None:
    """API HyperParameterTuningResourceConfig."""
    configs = [{"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 9}]
    given = {"InstanceConfigs": configs, "AllocationStrategy": "Prioritized"}
    spec = tuning_job(definition={"ResourceConfig": None, "HyperParameterTuningResourceConfig": given})
    assert defaults.completed(spec)["TrainingJobDefinition"]["ResourceConfig"] == configs[0]
