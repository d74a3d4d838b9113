"""The shapes of the API, one file per noun: what may be sent, and what is answered."""
