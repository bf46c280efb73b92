"""Amazon ECR: repositories of images, and the way into the registry that holds them (compute/oci)."""
