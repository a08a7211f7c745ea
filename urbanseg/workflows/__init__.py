"""What spans several areas and is more than one stage."""
