"""Features and inference together: from a frame to faces, from a face to the probabilities of its expression."""
