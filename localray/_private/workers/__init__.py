"""`ray._private.workers`: what Ray's worker processes run. Here they are forked from a process that has imported what
they need (`localray.runtime.forkserver`)."""
