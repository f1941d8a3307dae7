"""Searching: a program under many seeds, and what to do about one that fails.

* `case`: what is run, on which cluster, under which faults and schedules; one seed of that, and its outcome
* `seeds`: many seeds, in this process or several
* `shrink`: a failing seed made as small as it gets
* `trace_file`: a failing run, saved and played back
* `chronicle`: what happened in a run, for people; `story` tells it in words, `page` draws it, `chrome` exports it
"""
