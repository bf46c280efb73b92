"""The resource engine: kinds derived from the service model, generic verbs over rows, operations, controllers."""
