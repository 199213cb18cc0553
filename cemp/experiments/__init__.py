"""Experiments of the paper that take longer than a notebook: the ablation, the draft's thesis."""
