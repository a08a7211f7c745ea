"""What a CI runner calls: the comparison of two revisions, and retraining."""
