"""``ray.init(local_mode=True)``: everything in this process and on the calling thread, for stepping through a program.

What the program submits runs at that moment; what a task submits, when the task waits or is over. The kernel, the
clients and the executors are those of the other engines; what is here carries the kernel's effects out at once instead
of sending them anywhere. Must not live here: decisions.
"""
