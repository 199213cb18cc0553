"""From labels to candidates: errors, classes, probabilities, the G-band check, the catalogue."""
