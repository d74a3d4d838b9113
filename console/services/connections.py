"""What a forked child does with the connections that it inherited."""

from console.db.session import forget_connections

__all__ = ["forget_connections"]
