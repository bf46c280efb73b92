"""The part of other AWS services that SageMaker's clients need."""
