"""Reports: what the console knows, put together and mailed."""
