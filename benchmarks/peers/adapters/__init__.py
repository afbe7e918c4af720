"""One module for each system; `benchmarks.peers.child` loads it by its file, in that system's own environment.

A module has `load(settings)`, which returns a function from an item to its answer. It may have `expressions(settings)`,
which returns a function from a face alone, (48, 48) uint8 grey, to probabilities by label. None of them imports another
one, and only those whose names begin with affect_edge import anything of this project.
"""
