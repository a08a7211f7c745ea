"""The training set: tiles of all train cities, band statistics, class shares."""
