"""One module per family of test/golden/nn; each has record(rng, name) -> (list, case)."""
