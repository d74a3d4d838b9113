"""Messages: mail that goes out by a job."""
