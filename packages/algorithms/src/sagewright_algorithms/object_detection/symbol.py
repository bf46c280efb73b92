"""The detector as MXNet's symbol JSON, from ``data`` (RGB of 0 to 255 without the mean 123, 117, 104) to ``detection``.

``detection`` is MultiBoxDetection's: ``(images, anchors, 6)`` rows of class, score and corners, class -1 for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sagewright_algorithms.object_detection.architecture import VGG, Architecture
from sagewright_algorithms.object_detection.boxes import VARIANCES
from sagewright_algorithms.object_detection.network import TAPS, Detector, base_plan
from sagewright_algorithms.object_detection.suppression import CANDIDATES
from sagewright_algorithms.vision.symbol_graph import Graph, Node, residual
from sagewright_algorithms.vision.vgg import BLOCKS, TAP

_OURS = "_architecture"


def write(detector: Detector, nms_threshold: float) -> bytes:
    """The graph; the numbers that make the network up stand in the attributes of ``data``, too."""
    graph, architecture = Graph(), detector.architecture
    side = architecture.image_shape
    data = graph.variable("data", __shape__=(0, 3, side, side), **{_OURS: orjson.dumps(_document(architecture)).decode()})
    maps = (
        _vgg(graph, data)
        if architecture.base_network == VGG
        else residual(graph, base_plan(architecture.base_network), data)[-2:]
    )
    maps = _with_extras(graph, detector, maps)
    if architecture.base_network == VGG:
        maps[0] = _scaled(graph, maps[0], TAPS[VGG][0])
    heads = [_heads(graph, detector, name, node) for name, node in zip(detector.names, maps, strict=True)]
    classes, offsets, anchors = ([head[place] for head in heads] for place in range(3))
    scores = graph.add("Concat", "multibox_cls_pred", classes, num_args=len(classes), dim=1)
    scores = graph.add("Reshape", "reshape_cls", [scores], shape=(0, -1, architecture.num_classes + 1))
    scores = graph.add("transpose", "transpose_cls", [scores], axes=(0, 2, 1))
    scores = graph.add("softmax", "cls_prob", [scores], axis=1)
    return graph.document(
        graph.add(
            "_contrib_MultiBoxDetection",
            "detection",
            [
                scores,
                graph.add("Concat", "multibox_loc_pred", offsets, num_args=len(offsets), dim=1),
                graph.add("Concat", "multibox_anchors", anchors, num_args=len(anchors), dim=1),
            ],
            nms_threshold=nms_threshold,
            force_suppress=False,
            variances=VARIANCES,
            nms_topk=CANDIDATES,
        )
    )


def architecture(content: bytes) -> Architecture:
    """What ``write`` was told. Raises ValueError, KeyError, TypeError for a symbol that was not written here."""
    nodes = orjson.loads(content)["nodes"]
    data = next(node for node in nodes if node["name"] == "data")
    document: Mapping[str, Any] = orjson.loads(data["attrs"][_OURS])
    return Architecture(str(document["base_network"]), int(document["num_classes"]), int(document["image_shape"]))


def _document(given: Architecture) -> dict[str, Any]:
    return {"base_network": given.base_network, "num_classes": given.num_classes, "image_shape": given.image_shape}


def _vgg(graph: Graph, data: Node) -> list[Node]:
    found = []
    for number, block in enumerate(BLOCKS, 1):
        for place, filters in enumerate(block, 1):
            name = f"{number}_{place}"
            data = graph.relu(graph.convolution(data, f"conv{name}", filters, 3, bias=True), f"relu{name}")
            if f"conv{name}" == TAP:
                found.append(data)
        last = number == len(BLOCKS)
        data = graph.pooling(data, f"pool{number}", 3, 1, 1) if last else graph.pooling(data, f"pool{number}", 2, 2, full=True)
    data = graph.relu(graph.convolution(data, "fc6", 1024, 3, dilation=6, bias=True), "relu6")
    return [*found, graph.relu(graph.convolution(data, "fc7", 1024, 1, bias=True), "relu7")]


def _with_extras(graph: Graph, detector: Detector, maps: list[Node]) -> list[Node]:
    for name, extra in detector.extras.items():
        narrow = graph.convolution(maps[-1], f"{name}_conv_1x1_conv", extra.narrow, 1, bias=True)
        wide = graph.convolution(
            graph.relu(narrow, f"{name}_conv_1x1_relu"),
            f"{name}_conv_3x3_conv",
            extra.filters,
            3,
            extra.stride,
            padding=extra.padding,
            bias=True,
        )
        maps = [*maps, graph.relu(wide, f"{name}_conv_3x3_relu")]
    return maps


def _scaled(graph: Graph, data: Node, name: str) -> Node:
    flat = graph.add("L2Normalization", f"{name}_norm", [data], mode="channel")
    scale = graph.variable(f"{name}_scale", __shape__=(1, BLOCKS[3][-1], 1, 1))
    return graph.add("broadcast_mul", f"{name}_scaled", [scale, flat])


def _heads(graph: Graph, detector: Detector, name: str, data: Node) -> tuple[Node, Node, Node]:
    """Scores, offsets and anchors of one map, flat."""
    shape = detector.shapes[detector.names.index(name)]
    flat = []
    for kind, filters in (("cls", shape.count * (detector.architecture.num_classes + 1)), ("loc", shape.count * 4)):
        found = graph.convolution(data, f"{name}_{kind}_pred_conv", filters, 3, bias=True)
        found = graph.add("transpose", f"{name}_{kind}_transpose", [found], axes=(0, 2, 3, 1))
        flat.append(graph.add("Flatten", f"{name}_{kind}_flatten", [found]))
    steps = {"steps": (shape.step, shape.step)} if shape.step else {}
    anchors = graph.add(
        "_contrib_MultiBoxPrior", f"{name}_anchors", [data], sizes=shape.sizes, ratios=shape.ratios, clip=False, **steps
    )
    return flat[0], flat[1], anchors
