"""The object store's memory: the allocator and the layout (pure), and the arena of shared memory that readers and
writers map (IO)."""
