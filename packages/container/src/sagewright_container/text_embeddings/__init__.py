"""Text-embeddings-inference: encoders, classifiers and re-rankers behind one route."""
