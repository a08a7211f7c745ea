"""Images and the HTML report of each city."""
