"""Front ends: waveforms to features."""
