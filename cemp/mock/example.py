"""One star of the mock on its way from a noiseless spectrum to a file."""

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.lamost import read_spectrum
from cemp.mock.instrument import resolution
from cemp.mock.spectra import Observatory
from cemp.mock.survey import SPECTRA
from cemp.synthesis.resolution import broaden, sample


def choose_example(stars, observations, paths, snr=60.0, lost=0.05):
    """Choose a carbon-enhanced giant to show: cool, carbon-rich, of middling S/N.

    Parameters
    ----------
    stars, observations : pandas.DataFrame
        The truth.
    paths : cemp.paths.Paths
    snr : float
        Wanted S/N in g.
    lost : float
        Largest share of lost pixels, so that the figure shows the rest.

    Returns
    -------
    star, observation : dict
        With all columns of the truth.
    """
    giants = stars[(stars["group"] == "search") & stars["is_cemp"] & (stars["logg"] < 3)]
    giants = giants[giants["teff"].between(4500, 5300) & giants["c_fe"].between(1.0, 2.4)]
    seen = observations[observations["star_key"].isin(giants["star_key"]) & ~observations["z_bad"]]
    order = np.log(seen["snr_true"] / snr).abs().sort_values(kind="stable").index
    rows = (row.to_dict() for _, row in seen.loc[order].iterrows())
    best = next(r for r in rows if np.mean(find_spectrum(paths, r).ivar <= 0) < lost)
    return stars.set_index("star_key", drop=False).loc[best["star_key"]].to_dict(), best


def find_spectrum(paths, observation):
    """Find and read the file of an observation.

    Parameters
    ----------
    paths : cemp.paths.Paths
    observation : mapping
        With obsid.

    Returns
    -------
    cemp.spectrum.Spectrum
    """
    spid, fibre = observation["obsid"] // 1000 % 100, observation["obsid"] % 1000
    for path in (paths.survey / SPECTRA).glob(f"*/spec-*_sp{spid:02d}-{fibre:03d}.fits.gz"):
        spectrum = read_spectrum(path)
        if spectrum.obsid == observation["obsid"]:
            return spectrum
    raise BadInputError(
        f"no spectrum {observation['obsid']} under {paths.survey / SPECTRA}: delete "
        f"{paths.truth} and run 00_mock_survey again"
    )


def follow(star, observation, paths, seed):
    """Compare a star's noiseless spectrum with the file written of it.

    Parameters
    ----------
    star, observation : mapping
        Rows of the truth.
    paths : cemp.paths.Paths
    seed : int
        That of the survey.

    Returns
    -------
    dict of str to ndarray
        wave (n,) observed vacuum wavelength [Angstrom]; sharp (n,) noiseless flux at R = 5000;
        smooth (n,) at the resolution of this exposure, both unreddened and divided by their
        median; written (n,) the flux as written, divided by its median; error (n,) in the same
        unit, NaN where lost; lost (n,) whether ivar is 0.
    """
    observatory = Observatory(seed, cache=paths.root / "build" / "emulator")
    rest_wave, flux = observatory.emulator.wave, observatory.surface_flux(star)
    step = np.log(rest_wave[-1] / rest_wave[0]) / (rest_wave.size - 1)
    shifted = rest_wave * (1 + observation["rv"] / C_KMS)
    smooth = broaden(flux, step, resolution(shifted, observation["r_1800"]))
    spectrum = find_spectrum(paths, observation)
    wave, lost = spectrum.wave, ~(spectrum.ivar > 0)
    sharp, smooth = (sample(rest_wave, f, wave, observation["rv"]) for f in (flux, smooth))
    level = np.median(spectrum.flux[~lost])
    error = np.full(wave.size, np.nan)
    error[~lost] = 1 / np.sqrt(spectrum.ivar[~lost]) / level
    return {"wave": wave, "sharp": sharp / np.median(sharp), "smooth": smooth / np.median(smooth),
            "written": spectrum.flux / level, "error": error, "lost": lost}  # fmt: skip
