"""One transaction each: check, write, audit; answers are frozen dataclasses."""
