"""Small spectra with known answers, in memory and in files, for the tests of the reading path."""

import gzip
import io

import numpy as np
from astropy.io import fits

from cemp.spectrum import Spectrum

#: LAMOST's own grid: 1e-4 dex a pixel.
NATIVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))
LINES = ((4102.9, 0.4), (4341.7, 0.45), (4862.7, 0.5), (5175.0, 0.3), (6564.6, 0.5), (8544.4, 0.4))


def planck(wave, teff):
    """Black body, arbitrary units, about 100 at 5500 A for the Sun."""
    return 1e22 / wave**5 / np.expm1(1.4388e8 / wave / teff) * 1.3


def lines(wave, r=1800.0, depths=LINES):
    """Product of Gaussian absorption lines of instrumental width."""
    flux = np.ones_like(wave)
    for centre, depth in depths:
        flux *= 1 - depth * np.exp(-0.5 * ((wave - centre) / (centre / r / 2.3548)) ** 2)
    return flux


def star(teff=5000.0, z=0.0, snr=np.inf, seed=1, obsid=7, shape=1.0, depths=LINES, **changes):
    """Sloped spectrum with lines, redshifted by z, with Gaussian noise of a given S/N."""
    rest = NATIVE / (1 + z)
    clean = planck(rest, teff) * lines(rest, depths=depths) * shape
    sigma = clean / min(snr, 1e4)
    noise = np.random.default_rng(seed).normal(size=NATIVE.size) if np.isfinite(snr) else 0.0
    values = {
        "obsid": obsid, "wave": NATIVE.copy(), "flux": clean + sigma * noise,
        "ivar": sigma**-2.0, "good": np.ones(NATIVE.size, dtype=bool), "z": z,
        "snr": dict.fromkeys("ugriz", min(snr, 999.0)),
    }  # fmt: skip
    return Spectrum(**(values | changes))


def header(spectrum, **changes):
    """Primary header with the keywords of the real files."""
    head = fits.Header()
    cards = {
        "OBSID": spectrum.obsid, "DATA_V": "LAMOST DR10", "VERSPIPE": "v2.9.8", "LMJD": 55859,
        "PLANID": "F5902", "SPID": 1, "FIBERID": 12, "RA": 10.5, "DEC": -2.25,
        "CLASS": spectrum.cls, "SUBCLASS": "G5", "Z": spectrum.z, "COEFF0": 3.5682,
        "COEFF1": 1e-4, "FIB_MASK": 0, "HELIO_RV": 12.5,
    } | {f"SNR{b.upper()}": value for b, value in spectrum.snr.items()}  # fmt: skip
    for key, value in (cards | changes).items():
        if value is not None:
            head[key] = value
    return head


def table_bytes(spectrum, extname="COADD", **changes):
    """Bytes of a file in the layout of DR9 and later."""
    arrays = {
        "FLUX": spectrum.flux, "IVAR": np.where(spectrum.good, spectrum.ivar, 0),
        "WAVELENGTH": spectrum.wave, "ANDMASK": np.zeros(NATIVE.size), "ORMASK": ~spectrum.good,
    }  # fmt: skip
    form = f"{spectrum.wave.size}E"
    columns = [fits.Column(k, form, array=np.atleast_2d(v)) for k, v in arrays.items()]
    table = fits.BinTableHDU.from_columns(columns, name=extname)
    return _bytes([fits.PrimaryHDU(header=header(spectrum, **changes)), table])


def image_bytes(spectrum, row2=None, **changes):
    """Bytes of a file in the layout of DR8 and earlier; `row2` replaces the wavelengths."""
    rows = [spectrum.flux, np.where(spectrum.good, spectrum.ivar, 0),
            spectrum.wave if row2 is None else row2,
            np.zeros(NATIVE.size), np.zeros(NATIVE.size)]  # fmt: skip
    hdu = fits.PrimaryHDU(np.array(rows, dtype=np.float32), header=header(spectrum, **changes))
    return _bytes([hdu])


def _bytes(hdus):
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def write(path, content, packed=True):
    """Write bytes, gzip-compressed or not, and return the path."""
    path.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)
    return path
