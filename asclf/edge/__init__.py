"""What runs on the device: numpy, onnxruntime and kaldi-native-fbank, no torch."""
