"""Images of one's own: where they are pushed to, and how they become what a container sees as its files."""
