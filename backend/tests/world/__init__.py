"""A world small enough to be scheduled step by step: one database file, two server processes, browsers, outsiders.

The server's code is the real one. Only what happens *when* is taken out of its hands: threads, the network and time.
"""
