"""How far probabilities can be believed: temperatures, prediction sets, and a forecast of the IoU."""
