"""The command line: up, down, status, env, run, demo, logs, doctor, reset."""
