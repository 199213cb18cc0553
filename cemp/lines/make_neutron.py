"""Spectra with more barium and strontium: ``.venv-grid/bin/python -m cemp.lines.make_neutron``.

For 48 carbon-enhanced stars the windows around two lines of Ba II and two of Sr II are
computed with [Ba/Fe] = [Sr/Fe] = X and with X = 0, at the resolution of the survey; what is kept is
their ratio, by which any spectrum of such a star can be multiplied. Everything else is that of the
grid (`cemp.synthesis.spectrum`). It runs in the grid's own environment, takes six minutes on
one core, keeps one file a star under ``build/lines``, and goes on where it was stopped.

The Ba II lines are computed without hyperfine structure, as linemake's short list has them, so that
strong ones saturate too early: the limits of detection that follow are rather too high than low.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import air_to_vacuum
from cemp.synthesis.abundances import abundances
from cemp.synthesis.design import LOGG_HIGH, LOGG_LOW
from cemp.synthesis.spectrum import Synthesiser, broaden_fine, hydrogen_reach
from cemp.synthesis.stars import Star

#: Lines, air [Angstrom] (linemake: Placco et al. 2021, RNAAS 5, 92), and their elements' numbers.
LINES = {"ba4554": (4554.029, 56), "ba4934": (4934.076, 56),
         "sr4077": (4077.709, 38), "sr4215": (4215.519, 38)}
#: [Ba/Fe] and [Sr/Fe] [dex]; the ratio is taken to the one that is 0.
STEPS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
#: Half width of what is kept, and of what is computed [Angstrom].
KEPT, COMPUTED = 8.0, 14.0
RESOLUTION = 1800.0
OUT = Path("build/lines/neutron")
PRODUCT = Path(__file__).parents[1] / "data" / "lines" / "neutron.npz"


def design(n=48, seed=20261122):
    """Labels of the stars: a Sobol sequence over CEMP stars of the library.

    Parameters
    ----------
    n, seed : int

    Returns
    -------
    ndarray, shape (n, 6)
        Teff 4200-6600 K; log g on the lower (giants) or upper quarter of the library's strip;
        [Fe/H] -3.5 to -2; [C/Fe] 0.7 to 2.5; [alpha/Fe] 0.4; [N/Fe] 0.3.
    """
    from scipy.stats import qmc

    u = qmc.Sobol(4, seed=seed).random(1 << (n - 1).bit_length())[:n].T
    teff = 4200 + 2400 * u[0]
    low, high = np.interp(teff, *LOGG_LOW), np.interp(teff, *LOGG_HIGH)
    height = np.where(u[1] < 0.7, u[1] / 0.7 * 0.5, 0.75 + (u[1] - 0.7) / 0.3 * 0.25)
    ones = np.ones(n)
    return np.c_[teff, low + height * (high - low), -3.5 + 1.5 * u[2], 0.7 + 1.8 * u[3],
                 0.4 * ones, 0.3 * ones]


class Raised(Synthesiser):
    """A synthesiser whose stars have their barium and strontium changed, for narrow windows."""

    raised = 0.0

    def _model(self, star):
        """Abundances with the two elements changed; the atmosphere does not notice them."""
        _, structure = super()._model(star)
        a = abundances(star.fe_h, star.alpha_fe, star.c_fe, star.n_fe)
        for element in (38, 56):
            a[element - 1] += self.raised
        return a, structure

    def windows(self, star):
        """Compute flux over continuum in the windows of all lines, R = 1800, (n_line, n_pixel)."""
        lines = self.lines_tio if star.has_tio else self.lines
        reach = np.full(len(lines), self.settings.reach)
        h = lines.hydrogen
        reach[h] = hydrogen_reach(lines.stark[h], lines.waals[h])
        away = np.min([np.abs(lines.wave - centre) for centre, _ in LINES.values()], axis=0)
        near = away < COMPUTED + reach
        fine = np.concatenate([_fine(centre, self.settings.ln_step)
                               for centre, _ in sorted(LINES.values())])
        flux, continuum = self._at(star, lines.select(near), reach[near], fine)
        out = []
        for name, (centre, _) in LINES.items():
            mine = np.abs(fine - centre) < COMPUTED
            ln_wave, grid = np.log(air_to_vacuum(fine[mine])), np.log(window_grid(name))
            top, bottom = (broaden_fine(ln_wave, y[mine], grid, RESOLUTION)
                           for y in (flux, continuum))
            out.append(top / bottom)
        return np.array(out)

    def _at(self, star, lines, reach, wave):
        """Flux and continuum at `wave`, air [Angstrom]: `Synthesiser._segment` with gaps."""
        threshold, h = self.settings.threshold, lines.hydrogen
        self._set(star, lines, self._model(star))
        ratio, limits = self.library.strengths(wave[0] - 2, wave[-1] + 2, threshold)
        limits[h, 0] = np.maximum(limits[h, 0], lines.wave[h] - reach[h])
        limits[h, 1] = np.minimum(limits[h, 1], lines.wave[h] + reach[h])
        self.library.limit_lines(limits, ratio >= threshold)
        return self.library.flux(wave, self.settings.n_mu, threshold)


def _fine(centre, ln_step):
    """Wavelengths of a window, air [Angstrom]."""
    return np.exp(np.arange(np.log(centre - COMPUTED), np.log(centre + COMPUTED), ln_step))


def star_ratios(synthesiser, star):
    """Compute the ratios of a star.

    Parameters
    ----------
    synthesiser : Raised
    star : cemp.synthesis.stars.Star

    Returns
    -------
    ndarray of float32, shape (n_line, n_step, n_pixel)
    """
    flux = []
    for synthesiser.raised in STEPS:
        flux.append(synthesiser.windows(star))
    return np.swapaxes(np.array(flux) / flux[STEPS.index(0.0)], 0, 1).astype(np.float32)


def window_grid(name):
    """Pixels of a line's window: vacuum [Angstrom], steps of 1 A of the model grid."""
    middle = np.round(air_to_vacuum(LINES[name][0]))
    return middle + np.arange(-KEPT, KEPT + 1)


def main():
    """Run the command line."""
    from cemp.synthesis.prepare import load_synthesiser

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=48, help="stars")
    parser.add_argument("--prepared", type=Path, default=Path("build/grid"))
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    settings = parser.parse_args()
    base = load_synthesiser(settings.prepared)
    synthesiser = Raised(base.weights, base.lines, base.lines_tio, settings.prepared / "home")
    labels, start = design(settings.n), time.monotonic()
    for i, row in enumerate(labels):
        path = OUT / f"{i:03d}.npy"
        if not path.is_file() and time.monotonic() - start < settings.seconds:
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.save(file, star_ratios(synthesiser, Star(*row.tolist())))
            print(f"{i + 1} of {len(labels)}, {time.monotonic() - start:.0f} s", flush=True)
    done = [i for i in range(len(labels)) if (OUT / f"{i:03d}.npy").is_file()]
    with atomic_path(PRODUCT) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, labels=labels[done], steps=STEPS, line=list(LINES),
                            wave=[window_grid(name) for name in LINES],
                            ratio=[np.load(OUT / f"{i:03d}.npy") for i in done])
    print(f"{len(done)} stars in {PRODUCT}")


if __name__ == "__main__":
    main()
