"""Parts that several backbone families share."""
