"""The network as MXNet's symbol JSON."""

from __future__ import annotations

import orjson

from sagewright_algorithms.vision.resnet import Plan
from sagewright_algorithms.vision.symbol_graph import Graph, residual

SOFTMAX, LOGISTIC = "SoftmaxOutput", "LogisticRegressionOutput"


def write(plan: Plan, classes: int, *, multi_label: bool) -> bytes:
    """The graph from ``data`` to ``softmax``."""
    graph = Graph()
    data = residual(graph, plan, graph.variable("data"))[-1]
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
