"""Text generation as the images of Hugging Face (TGI), DJL (LMI) and vLLM offer it, on transformers."""
