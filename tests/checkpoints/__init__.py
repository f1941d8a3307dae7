"""Actors that checkpoint themselves: what real Ray has not, so no program of the conformance suite."""
