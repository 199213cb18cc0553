"""From an observed spectrum to a normalised vector at rest, one step a module."""

from cemp.preprocess.pipeline import PreprocessSettings, Vector, preprocess, steps
from cemp.preprocess.stream import preprocess_all, write_reports

__all__ = ["PreprocessSettings", "Vector", "preprocess", "preprocess_all", "steps", "write_reports"]
