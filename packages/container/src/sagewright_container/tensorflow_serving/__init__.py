"""The REST form of TensorFlow Serving, as SageMaker's TensorFlow images offer it, on TensorFlow itself."""
