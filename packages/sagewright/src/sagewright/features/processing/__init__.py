"""Processing jobs: data comes in, a container works on it, what it wrote goes out."""
