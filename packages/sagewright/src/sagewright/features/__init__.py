"""One package per SageMaker capability; they are independent of one another and talk through kernel.client."""
