"""Pictures and the HTML page: what the pipeline made of each city, for people to see."""
