"""The exported format: what is written beside the model, and how it is checked."""
