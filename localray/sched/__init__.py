"""Pure scheduling functions: resource arithmetic and placement policies. No state of their own, no clock, no dice but
those passed in."""
