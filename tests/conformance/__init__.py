"""The conformance suite: one set of programs, run on real Ray (which judges them), on real processes and simulated."""
