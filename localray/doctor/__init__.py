"""`localray doctor`: what this machine offers (`machine`), and what of a program a cluster would not have
(`findings`)."""
