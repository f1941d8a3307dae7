"""A session's decisions, written down while it runs and looked at afterwards: `LOCALRAY_KERNEL_LOG=file` has the head
of a session write every event that its kernel is told, and `localray sim replay file` steps a kernel through them.

* `format`: what is in the file
* `recorder`: a kernel that writes its events down
* `player`: a kernel that is stepped through a file
* `state`: all that a kernel knows, in lines

A kernel is told everything and decides by nothing else, so what it is told is all there is to know. Must not live here:
decisions.
"""
