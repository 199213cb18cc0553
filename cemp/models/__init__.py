"""From normalised rest-frame spectra to labels: the network of Section 3, and The Cannon."""

import os

# Idle OpenMP threads that spin make training ten times slower when another program wants a
# core. Read once, when torch loads, so it must stand before any module that imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
