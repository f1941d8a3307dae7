"""What only localray has, on top of the public API of real Ray: actors that checkpoint themselves.

All that is here is pickled by value on its way to a cluster, whose workers need not have localray; so it imports
nothing of the package but plain rules, and Ray only inside functions. Must not live here: handing a program over
(`localray.real_ray`), checkpoints of our own engines (`localray.client.checkpoints`, `localray.kernel.checkpoints`).
"""
