"""A contrastive model of LAMOST and Gaia XP spectra, after SpecCLIP (Zhao et al. 2025).

SpecCLIP proper (arXiv:2507.01939 and its released models) first trains, without labels, encoders of
some 43 million parameters each - masked transformers, or an autoencoder for XP - on large samples
of both surveys, then aligns them by contrast in embeddings of 768 numbers, with auxiliary decoders
that keep what only one survey sees. Here a small convolution network and a dense one are trained
from nothing on the paper's thousand training spectra and mock XP spectra, aligned by the same
symmetric loss, with decoders for the same purpose: the idea at this size, not SpecCLIP's benchmark.
"""

from cemp.methods.specclip.contrast import SpecClip
from cemp.methods.specclip.xp import XP_WAVE, XpSpectra, read_gaia, read_xp

__all__ = ["XP_WAVE", "SpecClip", "XpSpectra", "read_gaia", "read_xp"]
