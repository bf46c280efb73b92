"""Images of AWS's that have nothing to run in here, and why: a sentence for each. Pure.

Only of AWS's: a repository of the user's own may be called ``ray``, too.
"""

from __future__ import annotations

import re

NEURON = "AWS Neuron compiles for Inferentia and Trainium, which only AWS has."
_ENGINE = (
    "it is a model server of AWS's registry, with a program of its own. Push it to a repository of this server's ECR to run it."
)
_REASONS = (
    (r".*-neuronx?", NEURON),
    (r".*-eia", "Elastic Inference accelerators were only on AWS, which has retired them."),
    (r"mxnet-.*|sagemaker-(inference-|neo-)?mxnet.*", "MXNet was retired in 2023, and no version of it runs on a Python that is still maintained. Port the script to PyTorch."),
    (r"sagemaker-chainer", "Chainer has had no release since 2022, and none runs on today's NumPy. Port the script to PyTorch."),
    (r".*-trcomp-training", "the SageMaker Training Compiler exists only in AWS's own images. The image without -trcomp runs the same script."),
    (r"huggingface-tensorflow-.*", "transformers has given up TensorFlow. Port the script to the Hugging Face image of PyTorch."),
    (r"smdistributed-modelparallel", "the SageMaker model parallel library exists only in AWS's own images. Use torch_distributed in a PyTorch image."),
    (r"sagemaker-(inference|neo)-.*|.*-neo", "models that SageMaker Neo has compiled are for its own runtime, which only AWS distributes."),
    (r"(huggingface-)?(vllm-omni|sglang-.*)|sagemaker-tritonserver|whisperx|ray", _ENGINE),
    (r"stabilityai-pytorch-inference|(huggingface-)?llama-?cpp(-arm64)?", _ENGINE),
    (r"sagemaker-geospatial-.*|sagemaker-inspect-ai", "AWS does not publish what is in it."),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), reason) for pattern, reason in _REASONS)


# The accounts that AWS keeps these repositories in, one for each region and kind (the SDKs' image_uris).
_ACCOUNTS = """
007439368137 010526262399 048378556238 057415533634 081189585635 094389454867 104374241257 106583098589 110948597952
121021644041 124382933778 141502667606 151534178276 167761179201 190319476487 204133271717 204538143572 205493899709
217643126080 227234621604 237065988967 246618743249 246785580436 254080097072 257758044811 263933020539 272398656194
275950707576 281123927165 301217895009 303241398832 313743910680 324986816169 341280168497 354813040037 355873309152
364406365360 366743142698 371248457586 380420809688 406031935815 414596584902 422961961927 423003514399 434457397001
442386744353 446045086412 450853457545 451049120500 453391408702 454834333376 457447274322 464438896020 472730292857
474822919863 492215442770 503227376785 510948584623 520713654638 550225433462 590183813437 601324751636 626614931356
628508329040 633930458069 637423239942 651117190479 658645717510 659782779980 662702820516 680994064768 683313688378
692866216735 710691900526 720646828776 724002660598 727897471807 737474898029 744548109606 746233611703 746614075791
751086301963 756306329178 763008648453 763104351884 764974769150 772153158452 774647643957 780543022126 783357654285
785573368785 801668240914 802834080501 833128469047 836785723513 867004704886 871362719292 886529160074 898809789911
907027046896 914824155844 925152966179 935523707064 941853720454 951798379941 966458181534 975050140332 978288397137
"""


def is_aws(account: str) -> bool:
    """Whether AWS's images may lie there; an address without an account means theirs."""
    return not account or account in _ACCOUNTS


def reason(repository: str, account: str = "") -> str:
    """A sentence that begins in lower case or with a name, or empty. ``account`` is the registry's, empty where none is named."""
    if not is_aws(account):
        return ""
    return next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(repository)), "")
