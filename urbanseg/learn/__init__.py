"""Learning a segmenter: data, model, losses, training."""
