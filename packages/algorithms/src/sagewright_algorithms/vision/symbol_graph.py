"""MXNet's symbol JSON, so that an artifact can be loaded by MXNet and by what reads its models."""

from __future__ import annotations

from typing import Any

import orjson

from sagewright_algorithms.vision.resnet import Plan

_VERSION = 10300  # the release whose file format this is
_BATCH_NORM = {"eps": "2e-05", "momentum": "0.9"}
Node = int


class Graph:
    """Nodes in topological order; an input of a node is another's number, output 0."""

    def __init__(self) -> None:
        self._nodes: list[dict[str, Any]] = []

    def variable(self, name: str, **attributes: object) -> Node:
        """A parameter, the data or the label."""
        return self._append("null", name, [], attributes)

    def add(self, op: str, name: str, inputs: list[Node], **attributes: object) -> Node:
        """An operator; attributes are texts."""
        return self._append(op, name, inputs, attributes)

    def batch_norm(self, data: Node, name: str, *, fixed: bool = False) -> Node:
        """``fixed``: its scale is 1."""
        parts = [self.variable(f"{name}_{part}") for part in ("gamma", "beta", "moving_mean", "moving_var")]
        return self.add("BatchNorm", name, [data, *parts], **_BATCH_NORM, fix_gamma=fixed)

    def convolution(
        self,
        data: Node,
        name: str,
        filters: int,
        kernel: int,
        stride: int = 1,
        *,
        padding: int | None = None,
        dilation: int = 1,
        bias: bool = False,
    ) -> Node:
        """Square; padded to keep the size unless told."""
        pad = dilation * (kernel // 2) if padding is None else padding
        shape = {"kernel": (kernel,) * 2, "num_filter": filters, "pad": (pad,) * 2, "stride": (stride,) * 2}
        more = {"dilate": (dilation,) * 2} if dilation > 1 else {}
        parts = [self.variable(f"{name}_weight"), *([self.variable(f"{name}_bias")] if bias else [])]
        return self.add("Convolution", name, [data, *parts], **shape, **more, no_bias=not bias)

    def relu(self, data: Node, name: str) -> Node:
        """max(x, 0)."""
        return self.add("Activation", name, [data], act_type="relu")

    def pooling(self, data: Node, name: str, kernel: int, stride: int, padding: int = 0, *, full: bool = False) -> Node:
        """The maximum. ``full``: a window that reaches over the edge counts."""
        shape = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (padding,) * 2}
        more = {"pooling_convention": "full"} if full else {}
        return self.add("Pooling", name, [data], **shape, pool_type="max", **more)

    def document(self, head: Node) -> bytes:
        """The JSON file."""
        arguments = [number for number, node in enumerate(self._nodes) if node["op"] == "null"]
        document = {
            "nodes": self._nodes,
            "arg_nodes": arguments,
            "node_row_ptr": list(range(len(self._nodes) + 1)),
            "heads": [[head, 0, 0]],
            "attrs": {"mxnet_version": ["int", _VERSION]},
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)

    def _append(self, op: str, name: str, inputs: list[Node], attributes: dict[str, object]) -> Node:
        attrs = {"attrs": {key: str(value) for key, value in attributes.items()}} if attributes else {}
        self._nodes.append({"op": op, "name": name, **attrs, "inputs": [[number, 0, 0] for number in inputs]})
        return len(self._nodes) - 1


def residual(graph: Graph, plan: Plan, data: Node) -> list[Node]:
    """The body of ``vision.resnet.ResNet``, not dilated: the map after each stage, the last one normalised and rectified."""
    data = graph.batch_norm(graph.add("_copy", "id", [data]), "bn_data", fixed=True)
    data = graph.convolution(data, "conv0", plan.filters[0], plan.stem, 1 if plan.stem == 3 else 2)
    if plan.stem == 7:
        data = graph.pooling(graph.relu(graph.batch_norm(data, "bn0"), "relu0"), "pooling0", 3, 2, 1)
    found = []
    for stage, (units, filters) in enumerate(zip(plan.units, plan.filters[1:], strict=True), 1):
        for unit in range(1, units + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            data = _unit(graph, data, f"stage{stage}_unit{unit}", filters, stride, plan.bottleneck, first=unit == 1)
        found.append(data)
    found[-1] = graph.relu(graph.batch_norm(data, "bn1"), "relu1")
    return found


def _unit(graph: Graph, data: Node, name: str, filters: int, stride: int, bottleneck: bool, *, first: bool) -> Node:
    active = graph.relu(graph.batch_norm(data, f"{name}_bn1"), f"{name}_relu1")
    if bottleneck:
        out = graph.convolution(active, f"{name}_conv1", filters // 4, 1)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn2"), f"{name}_relu2")
        out = graph.convolution(out, f"{name}_conv2", filters // 4, 3, stride)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn3"), f"{name}_relu3")
        out = graph.convolution(out, f"{name}_conv3", filters, 1)
    else:
        out = graph.convolution(active, f"{name}_conv1", filters, 3, stride)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn2"), f"{name}_relu2")
        out = graph.convolution(out, f"{name}_conv2", filters, 3)
    shortcut = graph.convolution(active, f"{name}_sc", filters, 1, stride) if first else data
    return graph.add("elemwise_add", f"{name}_plus", [out, shortcut])
