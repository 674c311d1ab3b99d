"""Training: the loop, its engine, and what it keeps."""
