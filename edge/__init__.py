"""What runs on the device: NumPy, LiteRT and OpenCV; never TensorFlow, librosa, numba or SciPy."""
