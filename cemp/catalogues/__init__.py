"""Readers of survey and literature tables: one common form, one solar scale, every drop counted."""

from cemp.catalogues.apogee import read_apogee
from cemp.catalogues.lamost import iter_lamost, read_lamost
from cemp.catalogues.saga import read_saga
from cemp.catalogues.subaru import read_subaru

__all__ = ["iter_lamost", "read_apogee", "read_lamost", "read_saga", "read_subaru"]
