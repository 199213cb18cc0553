"""Template matching: chi-square of synthetic spectra on native pixels, refined and sampled."""

from cemp.methods.template.method import TRIALS, TemplateMatching

__all__ = ["TRIALS", "TemplateMatching"]
