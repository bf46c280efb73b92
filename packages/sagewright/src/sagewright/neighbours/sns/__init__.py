"""Amazon SNS: topics with queues and HTTP addresses as subscribers."""
