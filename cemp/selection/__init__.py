"""The selection of candidates: one recipe, what it finds and what it lets in."""
