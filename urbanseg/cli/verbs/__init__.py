"""The verbs of the command line, a module each: `arguments` describes what it takes, `run` does it.

What is large is imported in `run`, so that help and completion are quick.
"""
