"""What a caller may declare about a spectrum that its file does not say."""

from dataclasses import dataclass

import numpy as np

from cemp.errors import BadInputError
from cemp.readers.axis import parse_unit

MEDIA = ("air", "vacuum")


@dataclass(frozen=True)
class ReadOptions:
    """Declarations that fill the gaps of a file; nothing of the kind is guessed in silence.

    Parameters
    ----------
    medium : {"air", "vacuum"} or None
        Of the wavelengths in plain 1-D files, which seldom say: air for vacuum is 80 km/s. The
        caller's word wins over the header's. LAMOST and SDSS are vacuum by definition.
    velocity_kms : float or None
        Heliocentric radial velocity [km/s], positive if receding, for every file that is read;
        it wins over what the file says. 0 for a spectrum at rest.
    unit : str or None
        Of the wavelengths in plain 1-D files, as astropy.units spells it ("nm", "um",
        "Angstrom"), or "loglam" for log10 of Angstrom.
    resolution : float or None
        Resolving power R = lambda / FWHM of plain 1-D files. Above 2,500 they are smoothed to
        LAMOST's 1800, as the network has seen nothing sharper; files with pixels much finer than
        LAMOST's are refused without it.
    columns : tuple of str or None
        What the columns of a plain table without names hold, in order: "wave", "flux", "error"
        or "ivar", "mask" (not 0 is bad), "skip". Tables with names: the names of wavelength,
        flux and, third, of the error, where the usual ones are not used.
    star : bool
        Take every spectrum for a star, whatever class its file gives (faint stars are "UNKNOWN").
    """

    medium: str | None = None
    velocity_kms: float | None = None
    unit: str | None = None
    resolution: float | None = None
    columns: tuple | None = None
    star: bool = False

    def __post_init__(self):
        if self.medium not in (None, *MEDIA):
            raise BadInputError(f"medium {self.medium!r}: say 'air' or 'vacuum'")
        if self.velocity_kms is not None and not np.isfinite(self.velocity_kms):
            raise BadInputError(f"velocity_kms {self.velocity_kms}: give a number in km/s")
        if self.resolution is not None and not self.resolution > 0:
            raise BadInputError(f"resolution {self.resolution}: give lambda / FWHM, as 2000")
        if self.unit is not None:
            parse_unit(self.unit)
