"""Experiments that take longer than a notebook: the ablation, and claims for networks tested."""
