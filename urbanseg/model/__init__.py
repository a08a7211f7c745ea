"""The segmenter: network, normalisation and classes, saved as safetensors and JSON."""
