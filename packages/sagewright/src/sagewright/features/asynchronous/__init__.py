"""Asynchronous endpoints: requests wait in a durable queue, answers go to S3, notifications to topics."""
