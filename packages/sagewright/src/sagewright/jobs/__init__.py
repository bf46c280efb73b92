"""What the jobs have in common that run several containers side by side, whatever they are for: training and processing jobs."""
