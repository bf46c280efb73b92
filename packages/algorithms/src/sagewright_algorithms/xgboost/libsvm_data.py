"""Training rows from libsvm text: ``label[:weight] [qid:n] index:value …`` per line; indices are used as they are."""

from __future__ import annotations

from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import SparseExamples


def read(content: bytes, name: str) -> SparseExamples:
    """Raises UserError when a line is not libsvm."""
    examples = SparseExamples()
    lines = content.split(b"\n")
    _check_first_line(lines[0], name)
    for line in lines:
        tokens = line.partition(b"#")[0].split()
        if tokens:
            try:
                _append(examples, tokens)
            except (ValueError, OverflowError) as error:
                raise UserError(f"Failed to load libsvm data with exception:\n{error} in {line[:50]!r}") from error
    for side in (examples.weights, examples.groups):
        if len(side) not in (0, len(examples.labels)):
            raise UserError("Failed to load libsvm data with exception:\nonly some rows have a weight or a qid")
    return examples


def _append(examples: SparseExamples, tokens: list[bytes]) -> None:
    label, weighted, weight = tokens[0].partition(b":")
    examples.labels.append(float(label))
    if weighted:
        examples.weights.append(float(weight))
    features = tokens[1:]
    if features and features[0].startswith(b"qid:"):
        examples.groups.append(int(features[0][4:]))
        features = features[1:]
    if features:
        pairs = b":".join(features).split(b":")
        if len(pairs) != 2 * len(features):
            raise ValueError("a feature is not index:value")
        examples.indices.extend(map(int, pairs[::2]))
        examples.values.extend(map(float, pairs[1::2]))
    examples.starts.append(len(examples.indices))


def _check_first_line(line: bytes, name: str) -> None:
    """A first line with several cells and no colon is not libsvm (AWS's check, so that CSV sent as libsvm is told apart)."""
    tokens = line.split()
    if (len(tokens) > 1 and b":" not in tokens[1]) or b"," in line:
        snippet = line[:50].decode("utf-8", "replace")
        raise UserError(
            f"First line '{snippet}...' of file '{name}' is not 'LIBSVM' format. Please ensure the file is in 'LIBSVM' format."
        )
