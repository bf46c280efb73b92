"""Application Auto Scaling for SageMaker: scalable targets, policies, scheduled actions, and what makes them true."""
