"""Experiments of the paper that take longer than a notebook: the ablation, the usual claims for networks."""
