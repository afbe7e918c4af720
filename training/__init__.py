"""Training and evaluation in Keras 3, on any of its backends; signal processing is imported from `edge.features`."""
