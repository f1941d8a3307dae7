"""The micro-benchmarks behind `localray microbenchmark`: what is measured, of which system, how, and how it is shown.

This package talks to every system, localray included, through its public interface only, so that all are measured by
the same code. Nothing of localray may import it except the command line.
"""
