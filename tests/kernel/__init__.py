"""Tests of the kernel: golden traces, the transition table, and random programs against its invariants."""
