"""AWS's wire protocols on botocore's service models; knows no SageMaker word. The only package that imports botocore."""
