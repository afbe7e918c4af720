"""The loops: capture in a thread of its own, inference, tracking, smoothing, and the sinks."""
