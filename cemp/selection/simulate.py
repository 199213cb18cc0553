"""Preprocessed vectors without files: stars of given labels, with the survey's own noise.

A star's spectrum comes from the emulator with the mock's individual physics, at the telescope's
resolution, with errors of the flux calibration, divided by the continuum that the chain fits. What
an observation adds is drawn from the survey: S/N, inverse variance and mask are those of one of
its vectors, of a star of similar temperature. Sizes that no vector tells (actual noise over that of
ivar, velocity error, residuals of the atmosphere's bands) are those of `cemp.mock.instrument`.
Left out are cosmic rays, residuals of sky lines beyond ivar, interstellar lines and the shift of
native pixels with velocity; the spectra are compared with files in notebook 10.
"""

from dataclasses import dataclass, field

import numpy as np

from cemp.candidates.gband import NATIVE
from cemp.constants import C_KMS, N_PIX, SEED, WAVE, rng
from cemp.errors import BadInputError
from cemp.mock import instrument, nonstellar, sky
from cemp.mock.exposure import draw_resolution, redden
from cemp.mock.instrument import InstrumentSettings
from cemp.mock.observatory import NO_CARBON
from cemp.mock.physics import PhysicsSettings, apply_physics, line_list_field
from cemp.preprocess.continuum import continuum
from cemp.preprocess.pipeline import PreprocessSettings
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_LABELS
from cemp.synthesis.resolution import broaden

#: Kinds of objects that are no stars of the grid (`cemp.mock.nonstellar`).
STRANGE = ("hot", "galaxy", "qso")
#: Stars that share the place of the atmosphere's bands: it is slow to compute.
TOGETHER = 20
#: Observations kept in memory, 20 kB each.
MOST_NIGHTS = 20_000
#: Native pixels left of the grid's, and how far the grid's lie towards their right neighbours.
_LEFT = np.searchsorted(NATIVE, WAVE, side="right") - 1
_SHARE = (WAVE - NATIVE[_LEFT]) / (NATIVE[_LEFT + 1] - NATIVE[_LEFT])


@dataclass(frozen=True)
class Maker:
    """What makes noiseless spectra of stars.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    line_error : ndarray, shape (n_wave,)
        Error of ln(optical depth) that all stars share (`cemp.mock.physics.line_list_field`).
    physics : cemp.mock.physics.PhysicsSettings
    telescope : cemp.mock.instrument.InstrumentSettings
    preprocess : cemp.preprocess.pipeline.PreprocessSettings
    """

    emulator: object
    line_error: np.ndarray
    physics: PhysicsSettings = field(default_factory=PhysicsSettings)
    telescope: InstrumentSettings = field(default_factory=InstrumentSettings)
    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)

    @classmethod
    def of(cls, half="mock", cache=None, seed=SEED):
        """Take one half of the synthetic grid.

        Parameters
        ----------
        half : str
            ``"mock"``, with the mock's error of the line list, or ``"library"``, without.
        cache : str or pathlib.Path, optional
            Folder of fitted emulators.
        seed : int

        Returns
        -------
        Maker
        """
        emulator, physics = load_emulator(half, cache=cache), PhysicsSettings()
        if half == "mock":
            return cls(emulator, line_list_field(emulator.wave, physics, seed), physics)
        return cls(emulator, np.zeros(emulator.wave.size), physics)

    def stars(self, table, random):
        """Make normalised spectra of stars on LAMOST's native pixels, at rest, without noise.

        Parameters
        ----------
        table : pandas.DataFrame
            The labels of the grid; optionally ebv [mag].
        random : numpy.random.Generator

        Returns
        -------
        ndarray of float32, shape (n, 3909)
        """
        labels = table[list(GRID_LABELS)].to_numpy(dtype=float, copy=True)
        norm, cont = self.emulator.emulate(labels)
        labels[:, 3] = np.minimum(labels[:, 3], NO_CARBON)
        bare, _ = self.emulator.emulate(labels)
        out = np.empty((len(table), NATIVE.size), dtype=np.float32)
        for row, star in enumerate(table.to_dict("records")):
            flux = cont[row] * apply_physics(self.emulator.wave, norm[row], bare[row], star,
                                             self.line_error, random, self.physics)
            ebv = star.get("ebv", min(random.exponential(0.05), 0.5))
            out[row] = self.observe(redden(self.emulator.wave, flux, ebv), random)
        return out

    def strange(self, kind, n, random):
        """Make spectra of objects that the pipeline took for stars at rest; as `stars`.

        Parameters
        ----------
        kind : str
            One of `STRANGE`.
        n : int
        random : numpy.random.Generator

        Returns
        -------
        ndarray of float32, shape (n, 3909)

        Raises
        ------
        BadInputError
            If the kind is unknown.
        """
        if kind not in STRANGE:
            raise BadInputError(f"no objects of kind '{kind}': use one of {', '.join(STRANGE)}")
        wave = self.emulator.wave
        step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
        norm, cont = self.emulator.emulate([[4700.0, 2.3, -0.1, 0.0, 0.2, 0.1]])
        out = np.empty((n, NATIVE.size), dtype=np.float32)
        for row in range(n):
            z = nonstellar.redshift(kind, np.nan, random)
            if kind == "hot":
                flux = nonstellar.hot_star(wave, np.nan, random)
            elif kind == "qso":
                flux = nonstellar.quasar(wave, z, random)
            else:
                rest = nonstellar.galaxy(wave, step, norm[0] * cont[0], random)
                flux = np.interp(wave / (1 + z), wave, rest)
            out[row] = self.observe(flux, random)
        return out

    def observe(self, flux, random):
        """Take one spectrum (n_wave,) through telescope and continuum; shape (3909,)."""
        wave, s = self.emulator.wave, self.telescope
        step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
        r = instrument.resolution(wave, draw_resolution(random, s))
        flux = np.interp(NATIVE, wave, broaden(flux, step, r, n_nodes=4))
        flux *= instrument.calibration_error(NATIVE, random.uniform(*s.join), random, s)
        flux *= 1 + instrument.response_ripple(NATIVE, random.integers(1, 17), s)
        good, p = np.ones(NATIVE.size, dtype=bool), self.preprocess
        return flux / continuum(NATIVE, flux, good, p.continuum_order, p.continuum_width)


@dataclass(frozen=True)
class Nights:
    """S/N, errors and masks of real observations, to be put on other stars.

    Parameters
    ----------
    obsid : ndarray of int64, shape (n,)
    snrg : ndarray, shape (n,)
    teff : ndarray, shape (n,)
        Predicted, in rising order: shape of the error along wavelength follows it.
    ivar : ndarray of float32, shape (n, n_pix)
        0 where a pixel is not good.
    """

    obsid: np.ndarray
    snrg: np.ndarray
    teff: np.ndarray
    ivar: np.ndarray

    @classmethod
    def read(cls, store, table):
        """Read the observations of a table.

        Parameters
        ----------
        store : cemp.vectors.VectorStore
        table : pandas.DataFrame
            obsid, snrg, teff; spectra not in the store are left out. Of more than `MOST_NIGHTS`
            so many are taken, evenly in Teff: a whole survey does not fit into memory.

        Returns
        -------
        Nights
        """
        table = table[store.has(table["obsid"])].sort_values(["teff", "obsid"])
        if len(table) > MOST_NIGHTS:
            table = table.iloc[np.linspace(0, len(table) - 1, MOST_NIGHTS).astype(int)]
        ivar = np.ascontiguousarray(store.read(table["obsid"]).ivar)
        columns = (table[name].to_numpy() for name in ("obsid", "snrg", "teff"))
        return cls(*columns, ivar)

    def draw(self, teff, random, near=150):
        """Draw an observation of a star of similar temperature for each star.

        Parameters
        ----------
        teff : array_like, shape (m,)
            NaN draws from all.
        random : numpy.random.Generator
        near : int
            Observations to choose from.

        Returns
        -------
        ndarray of int, shape (m,)
            Rows.
        """
        teff, n = np.asarray(teff, dtype=float), len(self.teff)
        width = min(near, n)
        first = np.clip(np.searchsorted(self.teff, teff) - width // 2, 0, n - width)
        rows = first + random.integers(0, width, teff.size)
        return np.where(np.isfinite(teff), rows, random.integers(0, n, teff.size))


def realise(native, nights, rows, random, settings=InstrumentSettings()):  # noqa: B008
    """Observe noiseless stars: velocity error, noise, residuals of the atmosphere, mask.

    Parameters
    ----------
    native : ndarray, shape (n, 3909)
        From `Maker.stars`.
    nights : Nights
    rows : ndarray of int, shape (n,)
        The observation of each star.
    random : numpy.random.Generator
    settings : cemp.mock.instrument.InstrumentSettings

    Returns
    -------
    flux, ivar : ndarray of float32, shape (n, n_pix)
    good : ndarray of bool, shape (n, n_pix)
        As the store of vectors has them.

    Notes
    -----
    Noise is drawn on native pixels and interpolated as the chain does, so that pixels of 1
    Angstrom are correlated as observed ones are, then brought to the errors of the observation.
    """
    ivar = nights.ivar[rows]
    good = ivar > 0
    share = random.normal(settings.noise_share, settings.noise_share_rms, len(rows))
    sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1.0)), 0.0)
    flux = np.empty((len(rows), N_PIX))
    for k, (spectrum, row) in enumerate(zip(native, rows, strict=True)):
        error, _ = instrument.velocity_error(max(nights.snrg[row], 1.0), random, settings)
        flux[k] = np.interp(WAVE * (1 + error / C_KMS), NATIVE, spectrum)
    for group in np.array_split(flux, max(len(rows) // TOGETHER, 1)):
        group *= _atmosphere(len(group), random, settings)
    size = np.hypot(np.maximum(share, 0.5)[:, None] * sigma, settings.pixel_error * flux)
    flux += size * _unit_noise(len(rows), settings.noise_link, random)
    good &= np.abs(flux - 1) <= PreprocessSettings().max_deviation
    return (np.where(good, flux, 1.0).astype(np.float32),
            np.where(good, ivar, 0.0).astype(np.float32), good)  # fmt: skip


def _unit_noise(n, link, random):
    """Noise of unit variance on the grid, correlated as linear interpolation leaves it."""
    white = random.standard_normal((n, NATIVE.size + 2), dtype=np.float32)
    noise = white[:, 1:-1] + link * (white[:, :-2] + white[:, 2:])
    noise /= np.sqrt(1 + 2 * link**2)
    noise = (1 - _SHARE) * noise[:, _LEFT] + _SHARE * noise[:, _LEFT + 1]
    return noise / np.hypot(1 - _SHARE, _SHARE)


def _atmosphere(n, random, settings):
    """Draw what is left of the atmosphere's bands for stars of one velocity, shape (n, n_pix)."""
    wave = WAVE * (1 + random.normal(0, 120.0) / C_KMS)  # where the Earth's bands lie
    depth = sky.telluric_depth(wave)
    raw = (wave > 6270) & (wave < 6335)  # a band that nobody corrects
    left = random.normal(0, settings.telluric, (n, 1)) * depth * ~raw
    return 1 + left - random.uniform(0.7, 1.2, (n, 1)) * depth * raw


def generator(name, part, seed=SEED):
    """Random generator of one part of one set of stars."""
    return rng(f"selection {name} {part}", seed)
