"""Gaia XP (BP and RP) spectra as the contrastive model takes them, and real ones read.

Externally calibrated XP spectra can be sampled at any wavelength; here it is every 20 Angstrom
from 3900 to 8800. BP and RP go from 3300 to 10500, but the synthetic spectra that the mock's are
made from end at 3700 and 9100 and a resolution element is up to 320 Angstrom wide: nothing is
extrapolated, and of real spectra the same window is read.
"""

from dataclasses import dataclass

import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError

#: Vacuum wavelengths at which XP spectra are sampled [Angstrom], shape (n_xp,).
XP_WAVE = np.arange(3900.0, 8801.0, 20.0)
#: Gaia DR3 publishes mean XP spectra of sources brighter than this in G (De Angeli et al. 2023,
#: A&A 674, A2).
G_LIMIT = 17.65
#: Lowest relative flux whose logarithm is taken: below it there is only noise.
LOWEST = 0.02


@dataclass(frozen=True)
class XpSpectra:
    """XP spectra, one row for each LAMOST spectrum of the star.

    Parameters
    ----------
    obsid : ndarray (n,)
        LAMOST spectra that they belong to.
    star : ndarray (n,) of int
        Equal for spectra of the same star; -1 where unknown.
    flux, error : ndarray (n, n_xp)
        Flux a wavelength unit over its mean, at `XP_WAVE`, and its standard error as quoted; NaN
        where Gaia has no spectrum.
    """

    obsid: np.ndarray
    star: np.ndarray
    flux: np.ndarray
    error: np.ndarray

    def __len__(self):
        return len(self.obsid)

    @property
    def there(self):
        """Which rows have a spectrum, (n,) of bool."""
        return np.isfinite(self.flux).all(axis=1)

    def of(self, obsid):
        """Take the XP spectra of some LAMOST spectra.

        Parameters
        ----------
        obsid : array_like (m,)

        Returns
        -------
        XpSpectra
            In the order of `obsid`; rows of NaN where there is none.
        """
        obsid = np.asarray(obsid)
        order = np.argsort(self.obsid, kind="stable")
        at = np.minimum(np.searchsorted(self.obsid[order], obsid), len(self) - 1)
        rows, known = order[at], self.obsid[order][at] == obsid
        flux, error = (np.where(known[:, None], array[rows], np.nan).astype(np.float32)
                       for array in (self.flux, self.error))  # fmt: skip
        return XpSpectra(obsid, np.where(known, self.star[rows], -1), flux, error)

    def write(self, path):
        """Write the spectra as npz (whole or not at all)."""
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **vars(self))


def read_xp(path):
    """Read spectra that `XpSpectra.write` wrote."""
    with np.load(path) as stored:
        return XpSpectra(**{name: stored[name] for name in ("obsid", "star", "flux", "error")})


def relative(flux, error):
    """Divide spectra (n, n_xp) and their errors by the mean flux of each."""
    mean = np.mean(flux, axis=1, keepdims=True)
    return (flux / mean).astype(np.float32), (error / mean).astype(np.float32)


def read_gaia(obsid, source_id, query=None):
    """Fetch real XP spectra through GaiaXPy.

    Parameters
    ----------
    obsid : array_like (n,)
        LAMOST spectra.
    source_id : array_like (n,) of int
        Gaia DR3 identifiers of their stars; 0 where unknown.
    query : callable, optional
        In place of `gaiaxpy.calibrate`, with its arguments: identifiers or the name of a file of
        continuous spectra from the Gaia archive.

    Returns
    -------
    XpSpectra
        The same array as the mock's.

    Raises
    ------
    BadInputError
        If GaiaXPy is not installed.

    Notes
    -----
    GaiaXPy samples the published coefficients (Montegriffo et al. 2023, A&A 674, A3); its
    wavelengths are vacuum, in nm.
    """
    if query is None:
        try:
            from gaiaxpy import calibrate as query
        except ImportError as error:
            raise BadInputError(
                "real XP spectra are read through GaiaXPy: pip install gaiaxpy"
            ) from error
    obsid, source_id = np.asarray(obsid), np.asarray(source_id, dtype=np.int64)
    names = [int(name) for name in np.unique(source_id[source_id > 0])]
    table, _ = query(names, sampling=XP_WAVE / 10, save_file=False)
    row = {int(name): k for k, name in enumerate(table["source_id"])}
    flux, error = (np.full((len(obsid), XP_WAVE.size), np.nan) for _ in range(2))
    for k, name in enumerate(source_id):
        if name in row:
            flux[k], error[k] = (table[c].iloc[row[name]] for c in ("flux", "flux_error"))
    return XpSpectra(obsid, np.where(source_id > 0, source_id, -1), *relative(flux, error))


def log_flux(xp):
    """Logarithm of the relative flux and its error, both (n, n_xp): dust adds to it."""
    flux = np.maximum(xp.flux, LOWEST)
    return np.log(flux), np.minimum(xp.error / flux, 1.0)


def extinction():
    """Change of ln(flux) by E(B-V) = 1 (Fitzpatrick 1999, Rv = 3.1), (n_xp,)."""
    import astropy.units as u
    from dust_extinction.parameter_averages import F99

    return -0.4 * np.log(10) * 3.1 * F99(Rv=3.1)(XP_WAVE * u.AA)
