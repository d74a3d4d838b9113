"""The calls that the message desk hangs on the API, and their shapes."""
