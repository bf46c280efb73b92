"""What the jobs have in common that run containers, whatever they are for."""
