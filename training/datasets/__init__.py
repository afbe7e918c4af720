"""Readers of the public data sets, from a folder that the user names."""
