"""What is made from the manifests for JumpStart's bucket (J15): specifications, archives, data sets, trained models."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.ml_root import MlRoot

from sagewright.jumpstart import archives, datasets, specification
from sagewright.jumpstart.bucket import Bucket, region_of
from sagewright.jumpstart.images import FRAMEWORKS
from sagewright.jumpstart.offers import Offer, offers
from sagewright.jumpstart.pretrained import Pretrained, TrainingFailedError
from sagewright_algorithms.manifest import JumpStartModel, load, names

REGION = "eu-west-1"


def offer(model: str) -> Offer:
    return next(found for found in offers() if found.model.id == model)


def body(bucket: Bucket, key: str) -> bytes:
    content = bucket.get(key)
    assert content is not None
    return content.body


@pytest.mark.parametrize("found", offers(), ids=lambda found: found.model.id)
def test_every_specification_can_be_made(found: Offer) -> None:
    """Defaults are of their type and in their range; images have a kind for every instance type."""
    spec = specification.of(found, REGION)
    json.dumps(spec)
    assert found.model.image in FRAMEWORKS
    for item in spec["hyperparameters"]:
        if item["type"] in ("int", "float"):
            assert isinstance(item["default"], int if item["type"] == "int" else float)
            assert item.get("min", item["default"]) <= item["default"] <= item.get("max", item["default"])
        else:
            assert item["default"] in item.get("options", [item["default"]])
    for scope in ("training", "hosting"):
        variants = spec[f"{scope}_instance_type_variants"]
        purpose = "inference" if scope == "hosting" else scope
        families = {name.split(".")[1] for name in spec[f"supported_{purpose}_instance_types"]}
        assert families == set(variants["variants"])
        assert spec[f"default_{purpose}_instance_type"] in spec[f"supported_{purpose}_instance_types"]
        assert set(variants["regional_aliases"]) == {REGION}


def test_ids_belong_to_one_algorithm() -> None:
    ids = [model.id for name in names() for model in load(name).jumpstart]
    assert len(ids) == len(set(ids)) == len(offers())


def test_the_specifications_defaults_are_those_of_awss() -> None:
    """algorithms.md 6.18: the specification's differ from the guide's."""
    found = {item["name"]: item["default"] for item in specification.hyperparameters(offer("lightgbm-classification-model"))}
    assert (found["num_boost_round"], found["learning_rate"], found["metric"]) == (5000, 0.009, "auto")
    assert found["sagemaker_program"] == "transfer_learning.py"
    metrics = [item["Name"] for item in specification.metrics(offer("lightgbm-regression-model"))]
    assert metrics == ["rmse", "l1", "l2", "huber", "fair"]


def test_a_specification_may_spell_a_hyperparameter_its_own_way_and_list_some_only() -> None:
    manifest = load("lightgbm")
    (renamed, *_) = manifest.hyperparameters
    model = JumpStartModel("x", "1.0.0", "regression", "x", hyperparameters=("rounds",), defaults={"rounds": "7"})
    changed = replace(manifest, hyperparameters=(replace(renamed, aliases=("rounds",)), *manifest.hyperparameters[1:]))
    listed = [item for item in specification.hyperparameters(Offer(changed, model)) if item["scope"] == "algorithm"]
    assert [(item["name"], item["default"]) for item in listed] == [("rounds", 7)]
    with pytest.raises(ValueError, match="there is no hyperparameter nothing"):
        specification.hyperparameters(Offer(manifest, replace(model, hyperparameters=("nothing",))))


def test_the_same_bucket_has_the_same_bytes() -> None:
    first, second = Bucket(REGION), Bucket(REGION)
    assert first.keys("") == second.keys("")
    for key in first.keys(""):
        content = first.get(key)
        assert content is not None
        assert content == second.get(key)
    assert first.get("nothing") is None


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("jumpstart-cache-prod-us-gov-west-1", "us-gov-west-1"),
        ("jumpstart-cache-prod-cn-north-1", "cn-north-1"),
        ("jumpstart-cache-prod-", ""),
        ("jumpstart-cache-prod-mine", ""),
        ("my-jumpstart-cache-prod-us-east-1", ""),
    ],
)
def test_which_names_are_its(name: str, region: str) -> None:
    assert region_of(name) == region
    if region:
        header = json.loads(body(Bucket(region), "models_manifest.json"))[0]
        assert f".ecr.{region}.amazonaws.com" in body(Bucket(region), header["spec_key"]).decode()


def test_default_data() -> None:
    """Label first; every fifth row is for validation."""
    shapes = {}
    for name in ("tabular_binary", "tabular_multiclass", "tabular_regression"):
        found = {path: body.decode().splitlines() for path, body in datasets.files(name).items()}
        assert set(found) == {"train/data.csv", "validation/data.csv"}
        rows = [line.split(",") for lines in found.values() for line in lines]
        shapes[name] = (len(rows), len(rows[0]), len({row[0] for row in rows}))
        assert len(found["validation/data.csv"]) == len(rows) // 5
    assert shapes == {
        "tabular_binary": (569, 31, 2),
        "tabular_multiclass": (1797, 65, 10),
        "tabular_regression": (442, 11, 214),
    }
    assert datasets.files("no such data") == {}


async def test_a_model_is_trained_once_and_kept(tmp_path: Path) -> None:
    """J15: a model to deploy without training one; the archive holds the endpoint's script."""
    pretrained = Pretrained(tmp_path)
    wanted = offer("catboost-regression-model")
    assert wanted.trains
    first = await pretrained.archive(wanted)
    assert await pretrained.archive(wanted) == first
    assert [file.name for file in tmp_path.iterdir()] == ["catboost-regression-model-2.2.7.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert {"model", "code/inference.py"} <= set(tar.getnames())
    await pretrained.close()


async def test_a_training_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "training_script", lambda offer: archives.archive({"transfer_learning.py": b"1 / 0"}))
    pretrained = Pretrained(tmp_path)
    with pytest.raises(TrainingFailedError, match="division by zero"):
        await pretrained.archive(offer("catboost-regression-model"))
    assert list(tmp_path.iterdir()) == []
    await pretrained.close()


def test_an_archive_without_a_model_says_so_when_it_is_served(tmp_path: Path) -> None:
    root = MlRoot(tmp_path / "ml")
    with tarfile.open(fileobj=io.BytesIO(archives.inference_artifact(offer("lightgbm-regression-model")))) as tar:
        tar.extractall(root.folder / "model", filter="data")
    with pytest.raises(AssertionError) as refused, root.serving(SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code"):
        pass
    assert "lightgbm-regression-model: there is nothing pre-trained in this archive." in str(refused.value)
