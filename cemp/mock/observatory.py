"""From a star's labels to its exposure: the mock's parts put together."""

import numpy as np

from cemp.constants import C_KMS, SEED
from cemp.mock import nonstellar
from cemp.mock.exposure import expose
from cemp.mock.instrument import InstrumentSettings
from cemp.mock.physics import PhysicsSettings, apply_physics, line_list_field
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_LABELS

#: Carbon, [C/Fe], low enough that no band of CH, C2 or CN remains to be moved.
NO_CARBON = -0.7


class Observatory:
    """What every observation of a mock shares: emulator, line-list error, settings.

    Parameters
    ----------
    seed : int
    cache : str or pathlib.Path, optional
        Folder where the fitted emulator is kept.
    physics : PhysicsSettings, optional
    instrument : InstrumentSettings, optional
    """

    def __init__(self, seed=SEED, cache=None, physics=None, instrument=None):
        self.seed = seed
        self.emulator = load_emulator("mock", cache=cache)
        self.physics = physics or PhysicsSettings()
        self.instrument = instrument or InstrumentSettings()
        self.field = line_list_field(self.emulator.wave, self.physics, seed)

    def star_generator(self, star_key, purpose):
        """Random generator that belongs to a star, the same in every observation."""
        return np.random.default_rng([self.seed, *f"{purpose} {star_key}".encode()])

    def surface_flux(self, star):
        """Noiseless flux of a star at rest.

        Parameters
        ----------
        star : mapping
            ``star_key`` and the grid's labels.

        Returns
        -------
        ndarray, shape (n_wave,)
            Flux at R = 5000 [erg/s/cm2/Angstrom].
        """
        # One star at a time: sums over a batch would depend on who shares the batch.
        labels = np.array([[star[name] for name in GRID_LABELS]])
        norm, cont = self.emulator.emulate(labels)
        labels[0, 3] = min(labels[0, 3], NO_CARBON)
        bare, _ = self.emulator.emulate(labels)
        random = self.star_generator(star["star_key"], "physics")
        return cont[0] * apply_physics(self.emulator.wave, norm[0], bare[0], star, self.field,
                                       random, self.physics)

    def rest_flux(self, star, kind, z):
        """Flux of any object: of a star at rest, of others as `nonstellar` makes them."""
        wave = self.emulator.wave
        random = self.star_generator(star["star_key"], "nonstellar")
        if kind == "star":
            return self.surface_flux(star)
        if kind == "hot":
            return nonstellar.hot_star(wave, star["teff"], random)
        if kind == "qso":
            return nonstellar.quasar(wave, z, random)
        old = self.surface_flux(star | {"teff": 4700.0, "logg": 2.3, "fe_h": -0.1, "c_fe": 0.0,
                                        "alpha_fe": 0.2, "n_fe": 0.1})
        step = np.log(wave[-1] / wave[0]) / (wave.size - 1)
        rest = nonstellar.galaxy(wave, step, old, random)
        return np.interp(wave / (1 + z), wave, rest)

    def observe(self, star, observation):
        """Make one exposure of a star (mappings with the columns of `write_spectra`).

        Returns
        -------
        exposure : Exposure
        z : float
            Redshift that the pipeline gives.
        """
        random = np.random.default_rng([self.seed, int(observation["obsid"])])
        own = self.star_generator(star["star_key"], "sight line")
        kind = nonstellar.kind_of(observation["cls"], observation["subclass"],
                                  star["teff"])
        z = nonstellar.redshift(kind, observation["rv"], own)
        flux = self.rest_flux(star, kind, z)
        # Redshifted objects come at observed wavelengths already.
        rv = 0.0 if kind in ("galaxy", "qso") else z * C_KMS
        target = {"rv": rv, "ebv": star["ebv"], "gmag": star["gmag"],
                  "snr_g": observation["snr_g"], "helio_rv": helio_rv(observation),
                  "spid": observation["spid"]}
        exposure = expose(self.emulator.wave, flux, target, random, own, self.instrument)
        return exposure, exposure.z + (z if kind in ("galaxy", "qso") else 0.0)


def helio_rv(observation):
    """Heliocentric correction [km/s] of a night: the Earth's orbit, ecliptic taken as equator."""
    phase = 2 * np.pi * (float(observation["lmjd"]) - 55460) / 365.25
    angle = phase - np.radians(float(observation["ra"]))
    return 29.8 * np.cos(np.radians(float(observation["dec"]) * 0.8)) * np.sin(angle)
