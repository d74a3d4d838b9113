"""Maintenance: tasks that look after the console itself."""
