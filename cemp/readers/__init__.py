"""Spectra of any survey, from files, arrays or objects, as one kind of `Spectrum`."""

from cemp.readers.dispatch import identifier, read_any
from cemp.readers.onedim import from_arrays, from_specutils
from cemp.readers.options import ReadOptions

__all__ = ["ReadOptions", "from_arrays", "from_specutils", "identifier", "read_any"]
