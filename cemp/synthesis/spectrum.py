"""One star to its spectrum: normalised flux at R = 5000 and the continuum at the surface.

The fine flux is computed at steps of 1e-5 in ln(wavelength), 3 km/s, in five segments with their
own lines each, then integrated and convolved. What makes it fast, and what each
step loses, was measured against a computation with steps of 3e-6 and thresholds of 1e-4: together
about 1e-3 rms of the continuum at R = 1800 in the worst case (the Sun), half that in giants.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cemp.constants import air_to_vacuum
from cemp.synthesis.abundances import abundances
from cemp.synthesis.atmosphere import structure
from cemp.synthesis.grid import GRID_R
from cemp.synthesis.resolution import FWHM_TO_SIGMA
from cemp.synthesis.sme import SMElib

#: Vacuum wavelengths of the spectra [Angstrom]: even in ln.
WAVE_OUT = np.exp(np.arange(np.log(3692.0), np.log(9108.0), 1e-4))
#: Nodes of the continuum, air [Angstrom], as computed; stored in vacuum.
CONT_AIR = np.arange(3680.0, 9121.0, 20.0)
#: H-alpha, vacuum [Angstrom], and the depth that it can never have.
H_ALPHA, DARKEST_H_ALPHA = 6564.6, 0.1


class SynthesisError(Exception):
    """A spectrum came out impossible; the message says where."""


@dataclass(frozen=True)
class SynthesisSettings:
    """How a spectrum is computed; those of the grid are the defaults and stay.

    Attributes
    ----------
    ln_step : float
        Step of the fine flux in ln(wavelength). 6e-6 would halve the error at twice the time.
    threshold : float
        Lines whose opacity at the centre stays below this share of the continuum's are left out,
        and others end where they fall below it.
    n_mu : int
        Angles: with 4 the normalised flux changes by less than 5e-4.
    continuum_step : float
        Nodes of the continuum opacity [Angstrom].
    segments : tuple
        Limits, air [Angstrom]: a segment computes its own lines alone.
    reach : float
        Lines this far outside a segment [Angstrom] still count.
    sample : int
        Lines of each species whose strength is computed to predict that of all others.
    margin : float
        Lines predicted this far [dex] below the threshold still get their strength computed.
    """

    ln_step: float = 1e-5
    threshold: float = 3e-3
    n_mu: int = 3
    continuum_step: float = 10.0
    segments: tuple = ((3690, 3950), (3950, 4700), (4700, 5900), (5900, 8150), (8150, 9110))
    reach: float = 10.0
    sample: int = 40
    margin: float = 0.6


@dataclass(frozen=True)
class Fine:
    """Flux of a star without broadening; arrays of shape (n,).

    Attributes
    ----------
    wave : ndarray
        Vacuum [Angstrom].
    flux, continuum : ndarray
        At the surface [erg/s/cm2/Angstrom], neither with scattering: their ratio is meant.
    """

    wave: np.ndarray
    flux: np.ndarray
    continuum: np.ndarray


def hydrogen_reach(lower, upper):
    """How far a hydrogen line's wings are followed [Angstrom].

    Stark profiles of fifty lines at every wavelength would take five times as long as all else.

    Parameters
    ----------
    lower, upper : array_like, shape (n,)
        Levels.
    """
    balmer = {3: 400, 4: 300, 5: 300, 6: 250, 7: 200, 8: 150, 9: 120, 10: 100, 11: 80, 12: 60,
              13: 50, 14: 40, 15: 40}
    paschen = [(9, 150), (11, 120), (14, 80), (99, 50)]
    return np.array([balmer.get(int(u), 30) if low == 2
                     else next(reach for top, reach in paschen if u <= top)
                     for low, u in zip(lower, upper, strict=True)], dtype=float)


def broaden_fine(ln_wave, flux, ln_out, r_target=GRID_R, ln_step=1e-5):
    """Integrate a fine spectrum into even bins and convolve it with a Gaussian.

    Points are too far apart to sample: a line's core between two of them would be lost (1-2% at
    R = 1800). The cumulative integral loses nothing.

    Parameters
    ----------
    ln_wave, flux : ndarray, shape (n,)
        ln(wavelength), rising, and flux.
    ln_out : ndarray, shape (m,)
        Where to read the result.
    r_target : float
        Resolving power (FWHM).
    ln_step : float
        Bins in ln(wavelength).

    Returns
    -------
    ndarray, shape (m,)
    """
    areas = 0.5 * (flux[1:] + flux[:-1]) * np.diff(ln_wave)
    integral = np.concatenate([[0.0], np.cumsum(areas)])
    edges = np.arange(ln_wave[0], ln_wave[-1], ln_step)
    mean = np.diff(np.interp(edges, ln_wave, integral)) / ln_step
    smooth = gaussian_filter1d(mean, FWHM_TO_SIGMA / r_target / ln_step, mode="nearest")
    return np.interp(ln_out, 0.5 * (edges[1:] + edges[:-1]), smooth)


@dataclass
class Synthesiser:
    """Everything that spectra share: the library, the atmospheres' weights, the lines.

    Attributes
    ----------
    weights : dict of ndarray
        From `cemp.synthesis.atmosphere.read_weights`.
    lines, lines_tio : cemp.synthesis.lines.Lines
        The lines that matter, without and with those of TiO.
    home : str or pathlib.Path
        For `SMElib`.
    settings : SynthesisSettings
    """

    weights: dict
    lines: object
    lines_tio: object
    home: object
    settings: SynthesisSettings = field(default_factory=SynthesisSettings)

    def __post_init__(self):
        self.library = SMElib(self.home)

    def spectrum(self, star):
        """Compute a spectrum as the grid holds it.

        Parameters
        ----------
        star : cemp.synthesis.stars.Star

        Returns
        -------
        norm : ndarray of float16, shape (9029,)
            Flux over continuum at R = 5000, at `WAVE_OUT`.
        cont : ndarray of float32, shape (273,)
            Continuum with coherent scattering [erg/s/cm2/Angstrom] at `CONT_AIR`.

        Raises
        ------
        SynthesisError
            If the spectrum is not finite or exceeds its continuum by a fifth.
        """
        return self.at_grid_resolution(star, self.fine(star))

    def at_grid_resolution(self, star, fine):
        """Bring a `Fine` spectrum of a star to the grid's resolution: see `spectrum`."""
        ln_wave, ln_out = np.log(fine.wave), np.log(WAVE_OUT)
        flux, continuum = (broaden_fine(ln_wave, y, ln_out) for y in (fine.flux, fine.continuum))
        with np.errstate(all="ignore"):
            norm = (flux / continuum).astype(np.float16)
        cont = self.surface_continuum(star).astype(np.float32)
        check(norm, cont)
        return norm, cont

    def fine(self, star):
        """Compute the flux of a star without broadening.

        Parameters
        ----------
        star : cemp.synthesis.stars.Star

        Returns
        -------
        Fine
        """
        lines = self.lines_tio if star.has_tio else self.lines
        model = self._model(star)
        lines = lines.select(self._promising(star, lines, model))
        reach = np.full(len(lines), self.settings.reach)
        h = lines.hydrogen
        reach[h] = hydrogen_reach(lines.stark[h], lines.waals[h])
        parts = [self._segment(star, lines, reach, model, *limits)
                 for limits in self.settings.segments]
        wave, flux, continuum = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Fine(air_to_vacuum(wave), flux, continuum)

    def surface_continuum(self, star):
        """Compute the continuum with scattering at `CONT_AIR`, shape (273,): 0.2 s."""
        # The library wants a line; one in the middle of the list is as good as any.
        lines = self.lines_tio if star.has_tio else self.lines
        self._set(star, lines.select([len(lines) // 2]), self._model(star), scattering=True)
        self.library.dll.InputWaveRange(CONT_AIR[0] - 2, CONT_AIR[-1] + 2)
        self.library.dll.Opacity()
        return self.library.flux(CONT_AIR, self.settings.n_mu, 1e-3)[1]

    def _model(self, star):
        """Abundances and atmosphere of a star."""
        a = abundances(star.fe_h, star.alpha_fe, star.c_fe, star.n_fe)
        return a, structure(self.weights, star.teff, star.logg, star.fe_h, star.alpha_fe, a)

    def _set(self, star, lines, model, scattering=False):
        a, atmosphere = model
        self.library.set_star(star, lines, atmosphere, a, self.settings.continuum_step, scattering)

    def _segment(self, star, lines, reach, model, first, last):
        """Compute wavelengths (air), flux and continuum of a segment."""
        near = (lines.wave > first - reach) & (lines.wave < last + reach)
        lines, reach, threshold = lines.select(near), reach[near], self.settings.threshold
        self._set(star, lines, model)
        ratio, limits = self.library.strengths(first - 2, last + 2, threshold)
        h = lines.hydrogen
        limits[h, 0] = np.maximum(limits[h, 0], lines.wave[h] - reach[h])
        limits[h, 1] = np.minimum(limits[h, 1], lines.wave[h] + reach[h])
        self.library.limit_lines(limits, ratio >= threshold)
        wave = np.exp(np.arange(np.log(first), np.log(last), self.settings.ln_step))
        return wave, *self.library.flux(wave, self.settings.n_mu, threshold)

    def _promising(self, star, lines, model):
        """Tell which lines may be strong enough in a star, shape (n_line,).

        Strengths of all lines would take longer than the spectrum. Those of a sample of each
        species give log(ratio) - log(gf) as a function of excitation energy and wavelength.
        """
        species, which = lines.species_codes
        sample = self._sample(species, which)
        self._set(star, lines.select(sample), model)
        segments = self.settings.segments
        ratio, _ = self.library.strengths(segments[0][0], segments[-1][1], 1e-6)
        loggf, x = lines.loggf_of_star(star.c12_c13), (lines.wave - 6000) / 3000.0
        terms = np.c_[np.ones(len(lines)), lines.energy, x, x**2]
        predicted, limit = np.full(len(lines), 9.0), np.log10(self.settings.threshold)
        for k, name in enumerate(species):
            if name != "H 1":
                seen = (which[sample] == k) & (ratio > 1e-9)
                predicted[which == k] = _predict(loggf, terms, which == k, sample[seen],
                                                 np.log10(np.maximum(ratio[seen], 1e-12)), limit)
        return predicted > limit - self.settings.margin

    def _sample(self, species, which):
        """Draw lines of each species but hydrogen; always the same ones."""
        random, n = np.random.default_rng(1), self.settings.sample
        drawn = []
        for k, name in enumerate(species):
            if name != "H 1":
                rows = np.flatnonzero(which == k)
                drawn.append(rows if rows.size <= n else random.choice(rows, n, replace=False))
        return np.sort(np.concatenate(drawn))


def _predict(loggf, terms, mine, seen, log_ratio, limit):
    """Predict log10 of the strengths of a species' lines from those of its sample."""
    if seen.size < 8:  # too few to fit: all lines, or none if none showed
        return 9.0 if seen.size and log_ratio.max() > limit else -9.0
    fit = np.linalg.lstsq(terms[seen], log_ratio - loggf[seen], rcond=None)[0]
    return loggf[mine] + terms[mine] @ fit


def check(norm, cont):
    """Refuse a spectrum that cannot be.

    Parameters
    ----------
    norm, cont : ndarray
        Normalised flux and continuum.

    Raises
    ------
    SynthesisError
        If a value is not finite, the continuum is not positive, the flux exceeds 1.2, or H-alpha
        is black: no line of hydrogen can be so deep in LTE (0.3 is the deepest of the grid), but
        an atmosphere with an optical step below zero makes it so.
    """
    bad = np.flatnonzero(~np.isfinite(norm) | (norm.astype(float) >= 1.2))
    if bad.size:
        raise SynthesisError(f"normalised flux is {norm[bad[0]]} at {WAVE_OUT[bad[0]]:.1f} A and "
                             f"impossible in {bad.size} pixels")
    if not (np.isfinite(cont).all() and (cont > 0).all()):
        raise SynthesisError("the continuum is not finite and positive everywhere")
    core = norm[np.abs(WAVE_OUT - H_ALPHA) < 3].min()
    if core < DARKEST_H_ALPHA:
        raise SynthesisError(f"H-alpha falls to {core:.2f}: the atmosphere has impossible layers")
