"""One interpreter interface over LiteRT, tflite-runtime and TensorFlow, and the manifest that says what a model is."""
