"""The names that published scripts import: content_types, encoders, env, worker; modules and transformer are there, and empty."""
