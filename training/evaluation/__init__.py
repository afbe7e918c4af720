"""How good a model is, how far its probabilities can be believed, and where it fails."""
