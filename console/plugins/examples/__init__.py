"""Examples of tasks, for those who write their own."""
