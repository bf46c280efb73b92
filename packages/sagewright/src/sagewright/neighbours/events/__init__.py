"""EventBridge: rules with patterns on the default event bus, and what they send where."""
