"""Audio without torch: decoding, resampling, level, features."""
