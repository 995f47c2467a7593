"""The real containerizer: process trees in sandboxes, isolated with psutil.

`containerizer.PosixContainerizer` is what an agent's program uses; the rest is its parts.
"""
