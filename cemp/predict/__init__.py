"""Labels, errors and CEMP probabilities of any spectra: ``python -m cemp predict``, or functions.

>>> from cemp.predict import predict_files      # doctest: +SKIP
>>> table = predict_files("spectra/")           # doctest: +SKIP
"""

import importlib

#: Where each public name lives. They are loaded when first asked for: the network's library
#: takes seconds to load, and the help text of the command must not wait for it.
_HOMES = {"PredictSettings": "settings", "predict_arrays": "api", "predict_files": "api",
          "predict_spectra": "api", "predict_to_file": "run"}  # fmt: skip

__all__ = ["PredictSettings", "predict_arrays", "predict_files", "predict_spectra",
           "predict_to_file"]  # fmt: skip


def __getattr__(name):
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
