"""Images of AWS's that have nothing to run in here, and why: a sentence for each. Pure."""

from __future__ import annotations

import re

_ENGINE = "it is a model server with a program of its own, and needs an NVIDIA GPU and a container engine."
_REASONS = (
    (r".*-neuronx?", "AWS Neuron compiles for Inferentia and Trainium, which only AWS has."),
    (r".*-eia", "Elastic Inference accelerators were only on AWS, which has retired them."),
    (r"mxnet-.*|sagemaker-(inference-|neo-)?mxnet.*", "MXNet was retired in 2023, and no version of it runs on a Python that is still maintained. Port the script to PyTorch."),
    (r"sagemaker-chainer", "Chainer has had no release since 2022, and none runs on today's NumPy. Port the script to PyTorch."),
    (r".*-trcomp-training", "the SageMaker Training Compiler exists only in AWS's own images. The image without -trcomp runs the same script."),
    (r"huggingface-tensorflow-.*", "transformers has given up TensorFlow. Port the script to the Hugging Face image of PyTorch."),
    (r"smdistributed-modelparallel", "the SageMaker model parallel library exists only in AWS's own images. Use torch_distributed in a PyTorch image."),
    (r"sagemaker-(inference|neo)-.*|.*-neo", "models that SageMaker Neo has compiled are for its own runtime, which only AWS distributes."),
    (r"(huggingface-)?(vllm|sglang)(-.*)?|djl-inference|tei|sagemaker-tritonserver|whisperx|ray", _ENGINE),
    (r"huggingface-pytorch-tgi-inference|stabilityai-pytorch-inference", _ENGINE),
    (r"tei-cpu|(huggingface-)?llama-?cpp(-arm64)?", "it is a model server with a program of its own, which takes a container engine."),
    (r"sagemaker-sparkml-serving", "it serves MLeap bundles on the Java virtual machine, which has no environment here."),
    (r"sagemaker-geospatial-.*|sagemaker-inspect-ai", "AWS does not publish what is in it."),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), reason) for pattern, reason in _REASONS)


def reason(repository: str) -> str:
    """A sentence that begins in lower case or with a name, or empty."""
    return next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(repository)), "")
