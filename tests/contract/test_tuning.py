"""Tuning jobs through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from support.training import XGBOOST
from support.tuning import KIND, METRIC, TuningRig, continuous, definition, objective, tuning_job

from sagewright.compute.runtime import InstanceSpec
from sagewright.features.tuning import plan
from sagewright.jobs import steps


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(plan, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(plan, "CURVE_SECONDS", 0.1)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TuningRig]:
    with TuningRig(tmp_path, twice=request.param) as made:
        made.runtime.program = objective(lambda given: (float(given["x"]) - 0.3) ** 2)
        yield made


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TuningRig]:
    """One for all refusals: none of them leaves anything."""
    with TuningRig(tmp_path_factory.mktemp("refusing")) as made:
        yield made


def counters(job: dict[str, Any]) -> dict[str, int]:
    """The training jobs by status, without zeros."""
    return {name: count for name, count in job["TrainingJobStatusCounters"].items() if count}


class TestWay:
    def test_random_search(self, rig: TuningRig) -> None:
        """I01, API DescribeHyperParameterTuningJob: every trial is a training job, the best of them is named."""
        arn = rig.tune(
            limits={"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}, Tags=[{"Key": "team", "Value": "x"}]
        )
        job = rig.tuned()
        assert job[f"{KIND}Status"] == "Completed", job
        assert arn.endswith(":hyper-parameter-tuning-job/tuning")
        assert counters(job) == {"Completed": 4}
        assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
        trials = rig.trials()
        values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in trials]
        assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == min(values)
        assert len({item["TunedHyperParameters"]["x"] for item in trials}) == 4
        assert all(0 <= float(item["TunedHyperParameters"]["x"]) <= 1 for item in trials)
        assert [re.fullmatch(r"tuning-(\d{3})-[0-9a-f]{8}", item["TrainingJobName"])[1] for item in trials] == [  # type: ignore[index]
            "001", "002", "003", "004"
        ]  # fmt: skip
        assert job["HyperParameterTuningEndTime"] >= job["CreationTime"]
        child = rig.describe(trials[0]["TrainingJobName"])
        assert child["TuningJobArn"] == arn
        assert child["HyperParameters"] == {
            "depth": "3",
            "_tuning_objective_metric": "loss",
            **trials[0]["TunedHyperParameters"],
        }
        assert rig.sagemaker.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"] == [{"Key": "team", "Value": "x"}]
        found = rig.sagemaker.search(
            Resource="TrainingJob", SearchExpression={"Filters": [{"Name": "TuningJobArn", "Operator": "Equals", "Value": arn}]}
        )
        assert len(found["Results"]) == 4
        listed = rig.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        assert (listed[0]["Strategy"], listed[0]["TrainingJobStatusCounters"]["Completed"]) == ("Random", 4)

    def test_the_same_seed_gives_the_same_trials(self, rig: TuningRig) -> None:
        """API RandomSeed."""
        for name in ("one", "two"):
            rig.tune(name, config={"RandomSeed": 7})
            rig.tuned(name)
        first, second = ([item["TunedHyperParameters"] for item in rig.trials(name)] for name in ("one", "two"))
        assert first == second

    def test_bayesian_search_finds_better(self, tmp_path: Path) -> None:
        """I01: after the startup trials the sampler's process is asked."""
        with TuningRig(tmp_path) as rig:
            rig.runtime.program = objective(lambda given: (float(given["x"]) - 0.3) ** 2 + (float(given["y"]) - 0.6) ** 2)
            ranges = {"ContinuousParameterRanges": [continuous(name, "0", "1") for name in "xy"]}
            limits = {"MaxNumberOfTrainingJobs": 16, "MaxParallelTrainingJobs": 2}
            rig.tune(config={"Strategy": "Bayesian", "RandomSeed": 1}, limits=limits, ranges=ranges)
            job = rig.tuned()
            assert counters(job) == {"Completed": 16}
            values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in rig.trials()]
            assert sum(values[10:]) / 6 < sum(values[:10]) / 10

    def test_grid_search_tries_every_combination_once(self, rig: TuningRig) -> None:
        """API ResourceLimits: the number of training jobs follows from the grid."""
        rig.runtime.program = objective(lambda given: len(given["a"] + given["b"]))
        ranges = {
            "CategoricalParameterRanges": [{"Name": "b", "Values": ["1", "22"]}, {"Name": "a", "Values": ["x", "yy", "zzz"]}]
        }
        limits = {"MaxParallelTrainingJobs": 3}
        request = tuning_job(config={"Strategy": "Grid"}, ranges=ranges, limits=limits)
        del request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"]
        rig.sagemaker.create_hyper_parameter_tuning_job(**request)
        assert counters(rig.tuned()) == {"Completed": 6}
        tried = {(item["TunedHyperParameters"]["a"], item["TunedHyperParameters"]["b"]) for item in rig.trials()}
        assert len(tried) == 6

    def test_several_definitions_take_turns(self, rig: TuningRig) -> None:
        """API TrainingJobDefinitions: each with objective and ranges of its own."""
        rig.runtime.program = objective(lambda given: float(given.get("x", given.get("y", "9"))))
        parts = [
            definition(
                DefinitionName=name,
                TuningObjective={"Type": "Minimize", "MetricName": "loss"},
                HyperParameterRanges={"ContinuousParameterRanges": [continuous(parameter, low, "2")]},
            )
            for name, parameter, low in (("first", "x", "1"), ("second", "y", "0"))
        ]
        config = {"HyperParameterTuningJobObjective": None, "ParameterRanges": None}
        limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
        rig.tune(config=config, limits=limits, TrainingJobDefinition=None, TrainingJobDefinitions=parts)
        job = rig.tuned()
        assert counters(job) == {"Completed": 4}, job
        names = [item["TrainingJobDefinitionName"] for item in rig.trials()]
        assert sorted(names) == ["first", "first", "second", "second"]
        assert "TrainingJobDefinition" not in job

    def test_what_describe_fills_in(self, rig: TuningRig) -> None:
        """SDK v2's attach reads these without asking whether they are there."""
        given = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
        rig.tune(definition={"ResourceConfig": None, "HyperParameterTuningResourceConfig": given})
        job = rig.tuned()
        config, made = job["HyperParameterTuningJobConfig"], job["TrainingJobDefinition"]
        assert config["TrainingJobEarlyStoppingType"] == "Off"
        assert (
            config["ParameterRanges"]["IntegerParameterRanges"] == config["ParameterRanges"]["CategoricalParameterRanges"] == []
        )
        assert made["ResourceConfig"] == made["HyperParameterTuningResourceConfig"] == given
        assert made["StaticHyperParameters"]["_tuning_objective_metric"] == "loss"
        assert made["OutputDataConfig"]["KmsKeyId"] == ""
        assert made["AlgorithmSpecification"]["MetricDefinitions"] == [METRIC]

    def test_autotune_chooses_ranges_and_limits(self, rig: TuningRig) -> None:
        """API Autotune, AutoParameter: a number gets a range, a word stays as it is."""
        rig.runtime.program = objective(lambda given: 1.0)
        automatic = [
            {"Name": "rate", "ValueHint": "0.1"},
            {"Name": "layers", "ValueHint": "4"},
            {"Name": "kind", "ValueHint": "a"},
        ]
        limits = {"MaxNumberOfTrainingJobs": 2}
        rig.tune(Autotune={"Mode": "Enabled"}, ranges={"AutoParameters": automatic}, limits=limits)
        job = rig.tuned()
        config = job["HyperParameterTuningJobConfig"]
        assert config["ParameterRanges"]["ContinuousParameterRanges"][0]["Name"] == "rate"
        assert config["ParameterRanges"]["IntegerParameterRanges"][0] == {
            "Name": "layers", "MinValue": "1", "MaxValue": "16", "ScalingType": "Auto"
        }  # fmt: skip
        assert config["TrainingJobEarlyStoppingType"] == "Auto"
        assert config["TuningJobCompletionCriteria"]["ConvergenceDetected"] == {"CompleteOnConvergence": "Enabled"}
        assert job["TrainingJobDefinition"]["StaticHyperParameters"]["kind"] == "a"
        assert job["Autotune"] == {"Mode": "Enabled"}
        assert set(rig.trials()[0]["TunedHyperParameters"]) == {"rate", "layers"}


class TestEnds:
    def test_stopped(self, rig: TuningRig) -> None:
        """API StopHyperParameterTuningJob: the running training jobs are stopped, too."""
        rig.runtime.program = lambda spec: None
        rig.tune(limits={"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2})
        names = [item["TrainingJobName"] for item in rig.until(rig.trials, lambda trials: len(trials) == 2)]
        for name in names:
            rig.reach("Training", name=name, member="SecondaryStatus")
        assert counters(rig.tuning_job()) == {"InProgress": 2}
        rig.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tuning")
        job = rig.tuned()
        assert (job[f"{KIND}Status"], counters(job)) == ("Stopped", {"Stopped": 2})
        assert all(rig.describe(name)["TrainingJobStatus"] == "Stopped" for name in names)
        with pytest.raises(botocore.exceptions.ClientError, match="ValidationException"):
            rig.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tuning")

    def test_a_target_is_enough(self, rig: TuningRig) -> None:
        """API TargetObjectiveMetricValue."""
        rig.runtime.program = objective(lambda given: 0.5)
        criteria = {"TargetObjectiveMetricValue": 0.6}
        rig.tune(config={"TuningJobCompletionCriteria": criteria}, limits={"MaxNumberOfTrainingJobs": 10})
        job = rig.tuned()
        assert (job[f"{KIND}Status"], counters(job)) == ("Completed", {"Completed": 1})

    def test_not_improving(self, rig: TuningRig) -> None:
        """API BestObjectiveNotImproving, HyperParameterTuningJobCompletionDetails."""
        rig.runtime.program = objective(lambda given: 0.5)
        criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
        rig.tune(config={"TuningJobCompletionCriteria": criteria}, limits={"MaxNumberOfTrainingJobs": 10})
        job = rig.tuned()
        assert counters(job) == {"Completed": 4}
        assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3

    def test_failures_end_it(self, rig: TuningRig) -> None:
        """AWS's words, seen in public issues."""
        rig.runtime.program = lambda spec: 1
        rig.tune(limits={"MaxNumberOfTrainingJobs": 10})
        job = rig.tuned()
        assert (job[f"{KIND}Status"], counters(job)) == ("Failed", {"NonRetryableError": 5})
        assert job["FailureReason"].startswith("No training job succeeded after 5 attempts. Please take a look")
        assert "BestTrainingJob" not in job
        assert rig.trials()[0]["FailureReason"].startswith("AlgorithmError")

    def test_without_an_objective(self, rig: TuningRig) -> None:
        rig.runtime.program = lambda spec: 0
        rig.tune(limits={"MaxNumberOfTrainingJobs": 10})
        job = rig.tuned()
        assert (job[f"{KIND}Status"], counters(job)) == ("Failed", {"Completed": 5})
        assert job["FailureReason"].startswith("No objective metrics found after running 5 training jobs.")
        assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 5}

    def test_what_training_jobs_refuse_ends_it(self, rig: TuningRig) -> None:
        """What CreateTrainingJob says of the definition is the reason."""
        empty = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/nothing/"}
        channel = {"ChannelName": "train", "DataSource": {"S3DataSource": empty}}
        rig.tune(definition={"InputDataConfig": [channel]})
        job = rig.tuned()
        assert (job[f"{KIND}Status"], counters(job)) == ("Failed", {})
        assert "s3://bucket/nothing/" in job["FailureReason"]

    def test_time_is_up(self, rig: TuningRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """API ResourceLimits: MaxRuntimeInSeconds."""
        rig.runtime.program = lambda spec: None
        monkeypatch.setattr(plan.completion, "ending", _late(plan.completion.ending))
        rig.tune(limits={"MaxRuntimeInSeconds": 120})
        job = rig.tuned()
        assert counters(job).keys() <= {"Stopped"}
        assert job[f"{KIND}Status"] == "Completed"

    def test_what_failed_for_no_fault_of_its_own(self, rig: TuningRig) -> None:
        """API TrainingJobStatusCounters; the training job itself tries again as often as RetryStrategy says."""
        first: list[str] = []

        def loses_the_first(spec: InstanceSpec) -> int | None:
            if not first:
                first.append(spec.key)
            if spec.key == first[0]:
                rig.runtime.lose(spec.folder)
                return None
            return objective(lambda given: float(given["x"]))(spec)

        rig.runtime.program = loses_the_first
        rig.tune(limits={"MaxNumberOfTrainingJobs": 2})
        job = rig.tuned()
        assert counters(job) == {"RetryableError": 1, "Completed": 1}, job
        rig.tune("again", definition={"RetryStrategy": {"MaximumRetryAttempts": 2}}, limits={"MaxNumberOfTrainingJobs": 1})
        rig.tuned("again")
        child = rig.describe(rig.trials("again")[0]["TrainingJobName"])
        assert child["RetryStrategy"] == {"MaximumRetryAttempts": 2}

    def test_deleted(self, rig: TuningRig) -> None:
        """API DeleteHyperParameterTuningJob: the training jobs stay; the name can be used again, with other training jobs."""
        rig.tune()
        rig.tuned()
        before = rig.trials()
        rig.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="tuning")
        with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFound"):
            rig.tuning_job()
        assert rig.describe(before[0]["TrainingJobName"])["TrainingJobStatus"] == "Completed"
        rig.tune()
        assert counters(rig.tuned()) == {"Completed": 3}
        assert not {item["TrainingJobName"] for item in before} & {item["TrainingJobName"] for item in rig.trials()}


def _late(ending: Any) -> Any:
    """As if the job had run for its whole time already."""
    return lambda settings, ledger, runtime: ending(settings, ledger, runtime + 120)


class TestEarlyStopping:
    def test_the_median_rule(self, tmp_path: Path) -> None:
        """DG automatic-model-tuning-early-stopping: worse than the median of the running averages, it is stopped."""
        with TuningRig(tmp_path) as rig:
            good = objective(lambda given: 0.1, 0.3, 0.2)

            def program(spec: InstanceSpec) -> int | None:
                if len(rig.runtime.started) <= 3:
                    return good(spec)
                (spec.folder / "stdout").write_text("loss=0.9\nloss=0.8\n")
                return None  # and it goes on

            rig.runtime.program = program
            rig.tune(config={"TrainingJobEarlyStoppingType": "Auto"}, limits={"MaxNumberOfTrainingJobs": 4})
            job = rig.tuned()
            assert (job[f"{KIND}Status"], counters(job)) == ("Completed", {"Completed": 3, "Stopped": 1})
            last = rig.trials()[-1]
            assert last["TrainingJobStatus"] == "Stopped"
            assert last["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.8

    def test_hyperband(self, tmp_path: Path) -> None:
        """API HyperbandStrategyConfig: what is not among the best of its rung is stopped, and what has used MaxResource."""
        with TuningRig(tmp_path) as rig:
            losses = iter([0.5, 0.9, 0.1])

            def program(spec: InstanceSpec) -> int | None:
                (spec.folder / "stdout").write_text(f"loss={next(losses)}\n" * 9)
                return None

            rig.runtime.program = program
            resources = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
            rig.tune(config={"Strategy": "Hyperband", "StrategyConfig": resources})
            assert counters(rig.tuned()) == {"Stopped": 3}


class TestWarmStart:
    def test_identical_data_names_the_best_of_all(self, rig: TuningRig) -> None:
        """API OverallBestTrainingJob; parents' results are used and may go."""
        rig.runtime.program = objective(lambda given: 0.1)
        rig.tune("parent")
        parent = rig.tuned("parent")
        rig.runtime.program = objective(lambda given: 0.2)
        warm = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        }
        rig.tune("child", config={"Strategy": "Bayesian"}, WarmStartConfig=warm)
        job = rig.tuned("child")
        assert counters(job) == {"Completed": 3}
        assert job["OverallBestTrainingJob"]["TrainingJobName"] == parent["BestTrainingJob"]["TrainingJobName"]
        assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.2
        warm["WarmStartType"] = "TransferLearning"
        rig.tune("other", WarmStartConfig=warm, definition={"StaticHyperParameters": {"depth": "5"}})
        assert "OverallBestTrainingJob" not in rig.tuned("other")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"definition": {"StaticHyperParameters": {}}},
                "The set of tunable plus static HyperParameter names is not the same",
            ),
            (
                {"config": {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "loss"}}},
                "objective metric must be",
            ),
            ({"parent": "nobody"}, "Requested resource not found"),
            ({"definition": {"InputDataConfig": None}}, "InputDataConfig must be the one"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refusals(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        with TuningRig(tmp_path) as rig:
            rig.runtime.program = objective(lambda given: 0.1)
            rig.tune("parent", limits={"MaxNumberOfTrainingJobs": 1})
            parent = [{"HyperParameterTuningJobName": changes.pop("parent", "parent")}]
            warm = {"ParentHyperParameterTuningJobs": parent, "WarmStartType": "IdenticalDataAndAlgorithm"}
            rig.tuned("parent")
            with pytest.raises(botocore.exceptions.ClientError, match=re.escape(words)):
                rig.tune("child", WarmStartConfig=warm, **changes)

    def test_a_parent_must_have_ended(self, rig: TuningRig) -> None:
        rig.runtime.program = lambda spec: None
        rig.tune("parent")
        warm = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
            "WarmStartType": "TransferLearning",
        }
        with pytest.raises(botocore.exceptions.ClientError, match="is in status InProgress"):
            rig.tune("child", WarmStartConfig=warm)


class TestListing:
    def test_every_order(self, rig: TuningRig) -> None:
        """API ListTrainingJobsForHyperParameterTuningJob: SortBy, SortOrder, StatusEquals, pages."""

        def program(spec: InstanceSpec) -> int:
            code = 1 if len(rig.runtime.started) == 2 else 0
            return code or objective(lambda given: (float(given["x"]) * 7.3) % 1)(spec)

        rig.runtime.program = program
        rig.tune(limits={"MaxNumberOfTrainingJobs": 4})
        rig.tuned()
        names = [item["TrainingJobName"] for item in rig.trials()]
        assert names == sorted(names)
        assert [item["TrainingJobName"] for item in rig.trials(SortOrder="Descending")] == names[::-1]
        assert [
            item["TrainingJobName"] for item in rig.trials(SortBy="CreationTime", PaginationConfig={"PageSize": 1})
        ] == names
        assert [item["TrainingJobStatus"] for item in rig.trials(SortBy="Status")] == ["Completed"] * 3 + ["Failed"]
        ranked = rig.trials(SortBy="FinalObjectiveMetricValue")
        values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in ranked]
        assert (len(values), values) == (3, sorted(values))
        assert [item["TrainingJobName"] for item in rig.trials(StatusEquals="Failed")] == [names[1]]
        with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFound"):
            rig.trials("nobody")


class TestRestart:
    def test_control_may_end_at_any_moment(self, rig: TuningRig) -> None:
        """No trial is lost, none is repeated: every number has one training job, and each of those one container."""
        rig.runtime.program = lambda spec: None
        rig.tune(limits={"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2})
        finished: set[str] = set()
        while len(finished) < 4:
            rig.restart()
            running = rig.until(
                lambda: [item for item in rig.trials() if item["TrainingJobName"] not in finished], lambda trials: trials
            )
            name = running[0]["TrainingJobName"]
            rig.reach("Training", name=name, member="SecondaryStatus")
            rig.restart()
            objective(lambda given: float(given["x"]))(rig.spec(name))
            rig.runtime.finish(rig.folder(name), 0)
            finished.add(name)
        job = rig.tuned()
        assert counters(job) == {"Completed": 4}
        assert [int(item["TrainingJobName"].split("-")[1]) for item in rig.trials()] == [1, 2, 3, 4]
        assert len(rig.runtime.started) == 4


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"ranges": {"ContinuousParameterRanges": [continuous("x", "1", "1")]}}, "must be less than MaxValue"),
            ({"ranges": {"ContinuousParameterRanges": [continuous("x", "a", "1")]}}, "must be numbers of that type"),
            ({"ranges": {"IntegerParameterRanges": [continuous("x", "1.5", "3")]}}, "must be numbers of that type"),
            ({"ranges": {"ContinuousParameterRanges": [continuous("x", "0", "1", "Logarithmic")]}}, "greater than 0"),
            ({"ranges": {"ContinuousParameterRanges": [continuous("x", "0", "1", "ReverseLogarithmic")]}}, "0 <= x < 1.0"),
            ({"ranges": {"IntegerParameterRanges": [continuous("x", "0", "9", "ReverseLogarithmic")]}}, "only for continuous"),
            ({"ranges": {"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "a", "b"]}]}}, "must be unique"),
            ({"ranges": {}}, "At least one hyperparameter range is required"),
            ({"ranges": {"ContinuousParameterRanges": [continuous("depth", "0", "1")]}}, "both tunable and static"),
            (
                {"ranges": {"ContinuousParameterRanges": [continuous("x", "0", "1"), continuous("x", "0", "2")]}},
                "more than one range",
            ),
            (
                {"ranges": {"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "b"]}]}},
                "You don't have enough combinations",
            ),
            ({"config": {"Strategy": "Grid"}}, "only supports categorical"),
            ({"config": {"Strategy": "Hyperband"}}, "MaxResource is required"),
            ({"config": {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}}, "must be Off for the Hyperband"),
            (
                {"config": {"StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}}}},
                "only be specified for the Hyperband",
            ),
            (
                {"config": {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "mse"}}},
                "A metric is required",
            ),
            ({"config": {"HyperParameterTuningJobObjective": None}}, "HyperParameterTuningJobObjective is required"),
            ({"limits": {"MaxParallelTrainingJobs": 4}}, "must not be greater than MaxNumberOfTrainingJobs"),
            ({"TrainingJobDefinition": None}, "exactly one of TrainingJobDefinition and TrainingJobDefinitions"),
            ({"definition": {"ResourceConfig": None}}, "exactly one of ResourceConfig and"),
            ({"ranges": {"AutoParameters": [{"Name": "x", "ValueHint": "1"}]}}, "only be specified when Autotune"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_of_a_script(self, refusing: TuningRig, changes: dict[str, Any], words: str) -> None:
        self.refuses(refusing, "ValidationException", words, **changes)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"metric": "validation:nothing"}, "isn't valid for the [683313688378"),
            ({"metric": "train:rmse"}, "Choose a valid objective metric."),
            (
                {"metric": "validation:auc"},
                "The objective metric type, [Minimize], that you specified for objective metric, [validation:auc]",
            ),
            ({"ranges": {"ContinuousParameterRanges": [continuous("x", "0", "1")]}}, "is not one of XGBoost's"),
            ({"ranges": {"IntegerParameterRanges": [continuous("seed", "0", "9")]}}, "is not tunable"),
            (
                {"ranges": {"ContinuousParameterRanges": [continuous("max_depth", "1", "9")]}},
                "cannot have a range of type continuous",
            ),
            ({"ranges": {"ContinuousParameterRanges": [continuous("eta", "0", "2")]}}, "must lie within [0, 1]"),
            ({"static": {}}, "[num_round] is required by XGBoost"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_of_a_built_in_algorithm(self, refusing: TuningRig, changes: dict[str, Any], words: str) -> None:
        """The manifest says which hyperparameters can be tuned, for which objective."""
        algorithm = {"TrainingImage": XGBOOST, "TrainingInputMode": "File"}
        made = {"AlgorithmSpecification": algorithm, "StaticHyperParameters": changes.get("static", {"num_round": "9"})}
        metric = {"Type": "Minimize", "MetricName": changes.get("metric", "validation:rmse")}
        ranges = changes.get("ranges", {"ContinuousParameterRanges": [continuous("eta", "0.1", "0.5")]})
        config = {"HyperParameterTuningJobObjective": metric}
        self.refuses(refusing, "ValidationException", words, definition=made, config=config, ranges=ranges)

    def test_quotas(self, refusing: TuningRig) -> None:
        """DG automatic-model-tuning-limits."""
        limits = {"MaxNumberOfTrainingJobs": 751}
        self.refuses(refusing, "ResourceLimitExceeded", "is 750", limits=limits, config={"Strategy": "Bayesian"})
        self.refuses(refusing, "ResourceLimitExceeded", "is 10000", limits={"MaxNumberOfTrainingJobs": 10_001})

    def test_metrics_of_a_built_in_algorithm_are_its_own(self, refusing: TuningRig) -> None:
        algorithm = {"TrainingImage": XGBOOST, "TrainingInputMode": "File", "MetricDefinitions": [METRIC]}
        words = "You can't override the metric definitions"
        self.refuses(refusing, "ValidationException", words, definition={"AlgorithmSpecification": algorithm})

    def refuses(self, rig: TuningRig, code: str, words: str, **changes: Any) -> None:
        with pytest.raises(botocore.exceptions.ClientError, match=re.escape(words)) as error:
            rig.tune(**changes)
        assert error.value.response["Error"]["Code"] == code
        assert rig.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
