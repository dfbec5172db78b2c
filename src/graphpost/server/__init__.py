"""The composition root: a Config goes in, a running server comes out.

Only here are things constructed.  `lifetime` has the order of start and stop; `delivery` and `application` put together
what is on the two sides of the store.
"""

from graphpost.server.lifetime import Server

__all__ = ["Server"]
