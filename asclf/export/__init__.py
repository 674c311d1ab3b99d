"""Export to other runtimes, with parity checked."""
