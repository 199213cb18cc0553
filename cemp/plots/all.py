"""Import every module that registers figures."""

from importlib import import_module
from pkgutil import iter_modules

import cemp.plots

for _module in iter_modules(cemp.plots.__path__):
    if _module.name not in ("all", "style"):
        import_module(f"cemp.plots.{_module.name}")
