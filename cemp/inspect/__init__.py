"""Visual inspection of candidates: pages, keys, and a file of decisions under version control.

`python -m cemp.inspect` tells how far the inspection is and draws the pages as a PDF;
``notebooks/inspection.ipynb`` pages through them in JupyterLab. What is imported here is all that a
stage needs to apply the decisions; it draws nothing and loads no widget.
"""

from cemp.inspect.apply import COLUMNS, apply_decisions, tally
from cemp.inspect.decisions import decisions_path, read_decisions

__all__ = ["COLUMNS", "apply_decisions", "decisions_path", "read_decisions", "tally"]
