"""AWS IAM as far as SageMaker's clients need it: roles and policies are real records, but nothing evaluates a policy."""
