"""Pages of the message desk: parse, authorise, render."""
