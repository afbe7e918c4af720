"""The networks that are trained here, in Keras 3."""
