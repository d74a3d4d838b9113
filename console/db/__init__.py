"""Postgres: the session, the tables and their migrations."""
