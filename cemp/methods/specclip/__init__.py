"""A contrastive model of LAMOST and Gaia XP spectra, after SpecCLIP (Zhao et al. 2025).

SpecCLIP proper (arXiv:2507.01939) first trains a transformer on a million unlabelled LAMOST
spectra and a network on as many XP spectra, then aligns the two on some 800,000 pairs, with
auxiliary decoders that keep what only one survey sees. Here a small convolution network and a
dense one are trained from nothing on the paper's thousand training spectra, aligned by the same
symmetric loss with decoders of the same purpose: the idea at this size, not SpecCLIP's benchmark.
"""

from cemp.methods.specclip.contrast import SpecClip
from cemp.methods.specclip.xp import XP_WAVE, XpSpectra, read_gaia, read_xp

__all__ = ["XP_WAVE", "SpecClip", "XpSpectra", "read_gaia", "read_xp"]
