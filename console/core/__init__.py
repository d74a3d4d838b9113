"""What the console knows without asking anything outside: words, rules, time arithmetic."""
