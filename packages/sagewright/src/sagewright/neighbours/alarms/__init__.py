"""CloudWatch alarms: operations, evaluation, and what a change of state causes."""
