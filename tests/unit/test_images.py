"""Repository and tag of an image URI decide what runs; account and region are ignored. Feature row G02."""

from __future__ import annotations

import sys

import pytest

from sagewright.compute import images

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "registry",
    [f"{ECR}/", "492215442770.dkr.ecr.eu-central-1.amazonaws.com/", "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/", ""],
)
def test_account_and_region_are_ignored(registry: str) -> None:
    image = images.resolve(f"{registry}sagemaker-xgboost:1.7-1")
    assert (image.name, image.kind, image.algorithm, image.framework, image.version) == (
        "xgboost",
        "algorithm",
        "xgboost",
        "xgboost",
        "1.7-1",
    )
    assert (image.env["SAGEWRIGHT_ALGORITHM"], image.env["SAGEWRIGHT_IMAGE_VERSION"]) == ("xgboost", "1.7-1")


@pytest.mark.parametrize(
    ("name", "framework", "version"),
    [
        ("sagemaker-scikit-learn:1.2-1-cpu-py3", "sklearn", "1.2-1"),
        ("pytorch-training:2.3-cpu-py311", "pytorch", "2.3"),
        ("pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker", "pytorch", "2.6.0"),
        ("tensorflow-inference:2.19.0-cpu", "tensorflow", "2.19.0"),
        ("huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129-ubuntu22.04", "huggingface", "2.8.0"),
        ("sagemaker-base-python-310:1.0", "python", "1.0"),
        ("sagemaker-distribution-prod:latest", "python", ""),
        ("sagemaker-scikit-learn@sha256:abc", "sklearn", ""),
        ("sagemaker-rl-ray-container:ray-1.6.0-torch-cpu-py36", "rl", ""),
        ("sagemaker-rl-coach-container:coach-1.0.0-tf-cpu-py3", "rl", ""),
    ],
)
def test_frameworks_and_the_versions_their_tags_name(name: str, framework: str, version: str) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{name}")
    assert (image.kind, image.framework, image.version, image.algorithm) == ("framework", framework, version, "")
    assert image.env == {"SAGEWRIGHT_FRAMEWORK": framework}


def test_legacy_xgboost_is_the_algorithm_without_script_mode() -> None:
    image = images.resolve("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1")
    assert (image.name, image.algorithm, image.framework) == ("xgboost", "xgboost", "")


@pytest.mark.parametrize(
    "uri", ["123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:latest", "127.0.0.1:8400/team/mine", "localhost/mine"]
)
def test_what_this_server_s_ecr_may_hold_is_ones_own(uri: str) -> None:
    image = images.resolve(uri)
    assert (image.kind, image.name, image.problem, image.missing) == ("own", "own", "", "")


@pytest.mark.parametrize("uri", ["docker.io/library/mine:latest", "mine:latest", "", "::", "a/b/c\n:x", "@", "é:é"])
def test_anything_else_is_unknown_and_says_why(uri: str) -> None:
    image = images.resolve(uri)
    assert image.kind == "unknown"
    assert "cannot be run here" in image.problem


@pytest.mark.parametrize(
    "name", ["factorization-machines", "ipinsights", "kmeans", "knn", "linear-learner", "pca", "randomcutforest"]
)
def test_algorithms_on_numpy_share_a_light_zygote(name: str) -> None:
    image = images.resolve(f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{name}:1")
    assert (image.name, image.kind, image.algorithm, image.problem) == ("numpy", "algorithm", name, "")
    assert not {"pandas", "sklearn", "scipy", "torch"} & set(images.preload("numpy"))


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("mxnet-training:1.9.0-cpu-py38-ubuntu20.04", "MXNet was retired"),
        ("sagemaker-mxnet-serving-eia:1.4.0", "Elastic Inference"),
        ("sagemaker-chainer:5.0.0-cpu-py3", "Chainer"),
        ("pytorch-training-neuronx:2.1.2-neuronx-py310", "Neuron"),
        ("huggingface-pytorch-trcomp-training:1.9.0-transformers4.11.0-gpu-py38", "Training Compiler"),
        ("smdistributed-modelparallel:2.8.0-gpu-py311-cu124", "model parallel"),
        ("sagemaker-neo-tensorflow:2.5.2-inf-py3", "Neo"),
        ("sagemaker-tritonserver:25.09-py3", "model server"),
        ("djl-inference:0.29.0-neuronx-sdk2.19.1", "Neuron"),
        ("huggingface-tensorflow-training:2.6.3-transformers4.17.0-gpu-py38", "TensorFlow"),
    ],
)
def test_what_has_nothing_to_run_in_is_refused_with_a_sentence(repository: str, words: str) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{repository}")
    assert image.problem.startswith("The image 763104351884.dkr.ecr.us-east-1.amazonaws.com/")
    assert words in image.problem
    assert image.problem.endswith(".")


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04", "tgi"),
        ("djl-inference:0.33.0-lmi15.0.0-cu128", "lmi"),
        ("sglang:0.5.20-cu130-ubuntu24.04-sagemaker", "sglang"),
        ("huggingface-sglang:0.5.8-transformers4.57.3-gpu-py312-cu129-ubuntu24.04", "sglang"),
        ("tei:2.0.1-tei1.8.2-gpu-py310-cu122-ubuntu22.04", "tei"),
        ("tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04", "tei"),
    ],
)
def test_servers_of_language_models_run_on_transformers(name: str, server: str) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{name}")
    assert (image.name, image.kind, image.framework, image.problem) == ("huggingface", "framework", server, "")
    assert image.environment() == "huggingface"
    assert image.env["SAGEWRIGHT_FRAMEWORK"] == server


@pytest.mark.parametrize("name", ["vllm:0.30.0-gpu-py312", "huggingface-vllm:1", "vllm:server-sagemaker-cuda-v1"])
def test_vllm_has_an_environment_that_transformers_stand_in_for(name: str) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{name}")
    assert (image.name, image.framework, image.problem) == ("huggingface", "vllm", "")
    assert image.environment() == "vllm"
    assert image.zygote("/environments/vllm-cpu-0/bin/python") == "vllm"
    assert image.zygote(sys.executable) == "huggingface"


@pytest.mark.parametrize("repository", ["ray:1", "my-neuron:latest", "vllm:mine"])
def test_a_repository_of_ones_own_may_have_any_name(repository: str) -> None:
    image = images.resolve(f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}")
    assert (image.kind, image.problem) == ("own", "")


@pytest.mark.parametrize(
    ("name", "edition"),
    [
        ("sagemaker-scikit-learn:1.2-1-cpu-py3", "sklearn@1.2"),
        ("sagemaker-scikit-learn:1.4-2-py312", "sklearn@1.4-py312"),
        ("pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker", "pytorch@2.6.0-py312"),
        (
            "huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129-ubuntu22.04",
            "huggingface@2.8.0-transformers4.56.2-py312",
        ),
        ("tensorflow-inference:2.19.0-cpu", "tensorflow@2.19.0"),
        ("sagemaker-inference-tensorflow:2.9.2-cpu-py3", "neo"),
        ("sagemaker-base-python-310:1.0", "python@-py310"),
        ("sagemaker-distribution-prod:3.2.0-cpu", "python"),
        ("autogluon-training:1.1.1-cpu-py311", "autogluon"),
        ("kmeans:1", "kmeans"),
    ],
)
def test_the_environment_of_a_version(name: str, edition: str) -> None:
    image = images.resolve(name)
    assert image.environment() == ("numpy" if name == "kmeans:1" else edition)


def test_the_zygote_of_a_version_imports_what_its_scripts_do() -> None:
    image = images.resolve(f"{ECR}/sagemaker-xgboost:1.7-1")
    assert (image.zygote(sys.executable), image.zygote("/envs/xgboost@1.7/bin/python")) == ("xgboost", "xgboost@1.7")
    assert "xgboost" in images.preload("xgboost@1.7")
    assert images.preload("sklearn@1.2") == images.preload("sklearn")


def test_xgboost_has_a_version_for_scripts_and_none_for_the_algorithm() -> None:
    image = images.resolve(f"{ECR}/sagemaker-xgboost:1.7-1")
    assert (image.environment(), image.environment(own_code=False)) == ("xgboost@1.7", "xgboost")


def test_commands_call_the_toolkit_of_this_environment() -> None:
    image = images.resolve(f"{ECR}/sagemaker-xgboost:3.0-5")
    assert image.train_command() == (sys.executable, "-m", "sagewright_container", "train")
    assert image.serve_command() == (sys.executable, "-m", "sagewright_container", "serve")


def test_preload_of_the_built_in_xgboost_stays_small() -> None:
    assert not {"pandas", "sklearn", "xgboost"} & set(images.preload("xgboost"))
    assert images.preload("no-such-environment") == ()
