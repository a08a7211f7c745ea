"""Broken inputs of every kind, each tried through the true entry point of its program."""
