"""AWS's wire protocols: each module turns one protocol's requests into documents and documents and faults into its answers."""
