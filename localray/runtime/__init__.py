"""The driver of the kernel over real processes: head, fork server, workers, sockets, the clock. It decides nothing.

* `launch`: a driver program starts a head, and what of it must be cleaned up
* `head`: the head process, a selector loop around the kernel
* `forkserver`: forks workers and tells of their deaths; `worker`: a worker's main loop
* `channel`: a client's end of its socket; `frames`: messages in length-prefixed frames
"""
