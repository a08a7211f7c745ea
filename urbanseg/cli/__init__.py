"""The command line: how programs of this project start, say what went wrong, and end."""
