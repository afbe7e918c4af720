"""What the field does with the same recordings, to compare with: time-averaged features and small networks on them."""
