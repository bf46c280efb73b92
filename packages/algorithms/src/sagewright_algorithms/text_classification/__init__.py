"""Text classification in JumpStart form: tensorflow-tc-* and huggingface-tc-* (DG:text-classification-tensorflow)."""
