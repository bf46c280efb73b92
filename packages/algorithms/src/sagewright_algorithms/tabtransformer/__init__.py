"""TabTransformer in JumpStart form: pytorch-tabtransformerclassification-model and -regression-model (DG:tabtransformer)."""
