"""SMElib's calls, in the only order that works, with the reasons.

SMElib (Valenti & Piskunov 1996; Piskunov & Valenti 2017; the library inside PySME, Wehrhahn et al.
2023) keeps everything in one state per process: it is not thread-safe, and what a call means
depends on those before it. PySME's own front end is made for fitting and refines its wavelengths as
it goes, which takes 4-6 times as long as the fixed grid used here.
"""

import contextlib
import os
from pathlib import Path

import numpy as np

from cemp.synthesis.abundances import sme_abundances


def gauss_angles(n):
    """Cosines of the angles to the surface normal, falling, and weights on (0, 1).

    Examples
    --------
    >>> mu, weight = gauss_angles(3)
    >>> mu.round(3).tolist(), round(float(weight @ mu), 6)
    ([0.887, 0.5, 0.113], 0.5)
    """
    x, weight = np.polynomial.legendre.leggauss(n)
    return (0.5 * (x + 1))[::-1].copy(), (0.5 * weight)[::-1].copy()


class SMElib:
    """The library with the state of one star, for the wavelengths of one segment.

    Parameters
    ----------
    home : str or pathlib.Path
        PySME writes a folder ``.sme`` (36 MB) into the user's home when it is imported; this
        folder is given to it as home instead.
    """

    def __init__(self, home):
        Path(home).mkdir(parents=True, exist_ok=True)
        before = os.environ.get("HOME")
        os.environ["HOME"] = str(Path(home).resolve())
        try:
            with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
                from pysme import sme_synth  # only the grid's own environment has it
            self.dll = sme_synth.SME_DLL()
        finally:
            os.environ.pop("HOME")
            if before is not None:
                os.environ["HOME"] = before
        self.raw = sme_synth._smelib

    def set_star(self, star, lines, atmosphere, a, continuum_step, scattering):
        """Give the library a star: lines, atmosphere, abundances; then solve its chemistry.

        Parameters
        ----------
        star : cemp.synthesis.stars.Star
        lines : cemp.synthesis.lines.Lines
            The lines of a segment. The state knows only species that have a line here.
        atmosphere : cemp.synthesis.atmosphere.Structure
        a : ndarray, shape (99,)
            Abundances A(X).
        continuum_step : float or str
            Nodes of the continuum opacity [Angstrom], or SMElib's "adaptive" or "exact", which
            takes 10 times as long and changes less than 1e-4.
        scattering : bool
            Whether the continuum scatters coherently. SMElib scatters in the continuum alone, never
            in the flux with lines, whose ratio is therefore wrong (0.93 without any line) unless
            scattering is off in both.
        """
        self.dll.SetLineInfoMode(0)  # forget the ranges of the last segment
        self.dll.SetContinuumOpacityGrid(continuum_step)
        self.dll.SetAdaptiveTransferGridMode("batched")
        self.dll.SetContinuumScatteringSourceMode(scattering)
        # The front end's InputLineList and InputModel want PySME's own tables: go past them.
        self.raw.InputLineList(*lines.sme(star.c12_c13))
        depths = atmosphere.rhox.size
        self.raw.InputModel(
            float(star.teff), float(star.logg), 5000.0, "RHOX", np.ones(20, np.int16),
            atmosphere.rhox, atmosphere.temp, atmosphere.xne, atmosphere.xna, atmosphere.rho,
            np.full(depths, float(star.vmic)))
        self.raw.InputAbund(sme_abundances(a))
        self.dll.Ionization(0)  # equation of state with molecules; densities stay the model's
        self.dll.SetVWscale(1.0)
        self.dll.SetH2broad(True)

    def strengths(self, first, last, threshold):
        """Compute each line's opacity over the continuum's at its centre, and its reach.

        Parameters
        ----------
        first, last : float
            Segment, air [Angstrom].
        threshold : float
            A line reaches to where the ratio falls below.

        Returns
        -------
        ratio : ndarray, shape (n_line,)
        reach : ndarray, shape (n_line, 2)
            First and last wavelength, air [Angstrom].
        """
        self.dll.InputWaveRange(first, last)
        self.dll.Opacity()
        ratio, reach = self.dll.ALMAXRange(accrt=threshold)
        return np.array(ratio), np.array(reach)

    def limit_lines(self, reach, use):
        """Tell the library which lines to compute, and where (after `strengths`)."""
        self.dll.SetLineInfoMode(1)
        self.dll.InputLinePrecomputedInfo(reach[:, 0].copy(), reach[:, 1].copy(),
                                          use.astype(np.uint8))

    def flux(self, wave, n_mu, threshold):
        """Integrate over the disk.

        Parameters
        ----------
        wave : ndarray, shape (n,)
            Air [Angstrom].
        n_mu : int
            Angles.
        threshold : float
            As in `strengths`.

        Returns
        -------
        flux, continuum : ndarray, shape (n,)
            At the surface of the star [erg/s/cm2/Angstrom].
        """
        mu, weight = gauss_angles(n_mu)
        _, _, lines, continuum = self.dll.Transf(mu, wave=wave, accrt=threshold, accwi=3e-3,
                                                 nwmax=2_000_000)
        return 2 * np.pi * (weight * mu) @ lines, 2 * np.pi * (weight * mu) @ continuum
