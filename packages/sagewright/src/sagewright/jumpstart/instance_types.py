"""Instance types of JumpStart's specifications: a choice of AWS's, the algorithm's default among them."""

from __future__ import annotations

from sagewright.jumpstart.images import Framework

_SIZES = ("xlarge", "2xlarge", "4xlarge", "12xlarge")
_CPU_FAMILIES = ("m5", "c5", "r5", "m6i", "c6i")
_GPU = ("ml.g4dn.xlarge", "ml.g4dn.2xlarge", "ml.g5.xlarge", "ml.g5.2xlarge", "ml.p3.2xlarge")
_SMALL = ("ml.t2.medium", "ml.t3.medium", "ml.m5.large", "ml.m6i.large", "ml.c5.large")


def supported(default: str, gpu: bool) -> list[str]:
    """The default first."""
    found = [f"ml.{family}.{size}" for family in _CPU_FAMILIES for size in _SIZES]
    return list(dict.fromkeys([default, *found, *_SMALL, *(_GPU if gpu else ())]))


def variants(instance_types: list[str], framework: Framework, region: str, scope: str) -> dict[str, object]:
    """Which image an instance type gets, by its family: ``hosting_instance_type_variants`` and the like."""
    families = dict.fromkeys(name.split(".")[1] for name in instance_types)
    aliases = {"cpu_image_uri": framework.uri(region, scope, False), "gpu_image_uri": framework.uri(region, scope, True)}
    return {
        "regional_aliases": {region: aliases},
        "variants": {
            family: {"regional_properties": {"image_uri": "$gpu_image_uri" if is_gpu(family) else "$cpu_image_uri"}}
            for family in families
        },
    }


def is_gpu(family: str) -> bool:
    """Of NVIDIA: ``g…`` and ``p…``."""
    return family[0] in "gp"
