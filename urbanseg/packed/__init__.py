"""Packed models: what they say of themselves, those that are here, and how others are downloaded."""
