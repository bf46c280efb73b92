"""The network as MXNet's symbol JSON, so that the artifact can be loaded by MXNet and by what reads its models."""

from __future__ import annotations

from typing import Any

import orjson

from sagewright_algorithms.vision.resnet import Plan

SOFTMAX, LOGISTIC = "SoftmaxOutput", "LogisticRegressionOutput"
_VERSION = 10300  # the release whose file format this is
_BATCH_NORM = {"eps": "2e-05", "momentum": "0.9"}
Node = int


def write(plan: Plan, classes: int, *, multi_label: bool) -> bytes:
    """The graph from ``data`` to ``softmax``."""
    graph = _Graph()
    data = graph.batch_norm(graph.add("_copy", "id", [graph.variable("data")]), "bn_data", fixed=True)
    data = graph.convolution(data, "conv0", plan.filters[0], plan.stem, 1 if plan.stem == 3 else 2)
    if plan.stem == 7:
        data = graph.relu(graph.batch_norm(data, "bn0"), "relu0")
        data = graph.add("Pooling", "pooling0", [data], kernel="(3, 3)", pad="(1, 1)", pool_type="max", stride="(2, 2)")
    for stage, (units, filters) in enumerate(zip(plan.units, plan.filters[1:], strict=True), 1):
        for unit in range(1, units + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            data = _unit(graph, data, f"stage{stage}_unit{unit}", filters, stride, plan.bottleneck, first=unit == 1)
    data = graph.relu(graph.batch_norm(data, "bn1"), "relu1")
    data = graph.add("Pooling", "pool1", [data], global_pool="True", kernel="(7, 7)", pool_type="avg")
    data = graph.add("Flatten", "flatten0", [data])
    data = graph.add(
        "FullyConnected", "fc1", [data, graph.variable("fc1_weight"), graph.variable("fc1_bias")], num_hidden=classes
    )
    head = graph.add(LOGISTIC if multi_label else SOFTMAX, "softmax", [data, graph.variable("softmax_label")])
    return graph.document(head)


def is_multi_label(content: bytes) -> bool:
    """Whether the graph ends in one probability for each class by itself. Raises ValueError."""
    document = orjson.loads(content)
    try:
        return any(node["op"] == LOGISTIC for node in document["nodes"])
    except (KeyError, TypeError) as error:
        raise ValueError("the symbol has no list of nodes") from error


def _unit(graph: _Graph, data: Node, name: str, filters: int, stride: int, bottleneck: bool, *, first: bool) -> Node:
    active = graph.relu(graph.batch_norm(data, f"{name}_bn1"), f"{name}_relu1")
    if bottleneck:
        out = graph.convolution(active, f"{name}_conv1", filters // 4, 1, 1)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn2"), f"{name}_relu2")
        out = graph.convolution(out, f"{name}_conv2", filters // 4, 3, stride)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn3"), f"{name}_relu3")
        out = graph.convolution(out, f"{name}_conv3", filters, 1, 1)
    else:
        out = graph.convolution(active, f"{name}_conv1", filters, 3, stride)
        out = graph.relu(graph.batch_norm(out, f"{name}_bn2"), f"{name}_relu2")
        out = graph.convolution(out, f"{name}_conv2", filters, 3, 1)
    shortcut = graph.convolution(active, f"{name}_sc", filters, 1, stride) if first else data
    return graph.add("elemwise_add", f"{name}_plus", [out, shortcut])


class _Graph:
    """Nodes in topological order; an input of a node is another's number, output 0."""

    def __init__(self) -> None:
        self._nodes: list[dict[str, Any]] = []

    def variable(self, name: str) -> Node:
        """A parameter, the data or the label."""
        return self._append({"op": "null", "name": name, "inputs": []})

    def add(self, op: str, name: str, inputs: list[Node], **attributes: object) -> Node:
        """An operator; attributes are texts."""
        attrs = {"attrs": {key: str(value) for key, value in attributes.items()}} if attributes else {}
        return self._append({"op": op, "name": name, **attrs, "inputs": [[number, 0, 0] for number in inputs]})

    def batch_norm(self, data: Node, name: str, *, fixed: bool = False) -> Node:
        """``fixed``: its scale is 1."""
        parts = [self.variable(f"{name}_{part}") for part in ("gamma", "beta", "moving_mean", "moving_var")]
        return self.add("BatchNorm", name, [data, *parts], **_BATCH_NORM, fix_gamma=fixed)

    def convolution(self, data: Node, name: str, filters: int, kernel: int, stride: int) -> Node:
        """Square, without a bias, padded to keep the size."""
        shape = {"kernel": (kernel, kernel), "num_filter": filters, "pad": (kernel // 2,) * 2, "stride": (stride, stride)}
        return self.add("Convolution", name, [data, self.variable(f"{name}_weight")], **shape, no_bias=True)

    def relu(self, data: Node, name: str) -> Node:
        """max(x, 0)."""
        return self.add("Activation", name, [data], act_type="relu")

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

    def _append(self, node: dict[str, Any]) -> Node:
        self._nodes.append(node)
        return len(self._nodes) - 1
