"""Conformance programs by topic. Each is a plain function of the module under test, registered with `@program`.

Rules: remote functions and classes are defined inside the program, so that they travel by value; they contain no
`assert` (return what there is to check); waiting is for a condition, never for time to pass.
"""
