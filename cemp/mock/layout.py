"""LAMOST's DR10/DR11 file layout, written byte by byte: one header made once, values patched in."""

import gzip
import io

import numpy as np

#: Primary header of DR10 files: keyword, example or default, comment; "COMMENT" starts a section.
#: A value of None must be given for each spectrum.
CARDS = (
    ("SIMPLE", True, "Mock file in the layout of LAMOST DR10"),
    ("BITPIX", 16, ""),
    ("NAXIS", 0, "Number of array dimensions"),
    ("NAXIS1", None, ""),
    ("NAXIS2", 5, ""),
    ("EXTEND", True, ""),
    ("COMMENT", "--------FILE INFORMATION", ""),
    ("COMMENT", "MOCK SPECTRUM: synthetic star, simulated instrument; not LAMOST data", ""),
    ("FILENAME", None, ""),
    ("OBSID", None, "Unique number ID of this spectrum"),
    ("AUTHOR", "cemp.mock", "Who compiled the information"),
    ("DATA_V", "LAMOST DR11 MOCK", "Data release version"),
    ("N_EXTEN", 2, "The amount of extension"),
    ("NORM", 0, "1 if there exists a normalizated spectrum"),
    ("ORIGIN", "MOCK", "Organization responsible for creating this file"),
    ("DATE", "2026-01-01T00:00:00", "Time when this HDU is created (UTC)"),
    ("COMMENT", "--------TELESCOPE PARAMETERS", ""),
    ("TELESCOP", "LAMOST", "GuoShouJing Telescope"),
    ("LONGITUD", "%.2f:117.58", "[deg] Longitude of site"),
    ("LATITUDE", "%.2f:40.39", "[deg] Latitude of site"),
    ("FOCUS", 19964, "[mm] Telescope focus"),
    ("CAMPRO", "NEWCAM", "Camera program name"),
    ("CAMVER", "v2.0", "Camera program version"),
    ("COMMENT", "--------OBSERVATION PARAMETERS", ""),
    ("DATE-OBS", None, "The observation median UTC"),
    ("DATE-BEG", None, "The observation start local time"),
    ("DATE-END", None, "The observation end local time"),
    ("LMJD", None, "Local Modified Julian Day"),
    ("MJD", None, "Modified Julian Day"),
    ("LMJMLIST", None, "Local Modified Julian Minute list"),
    ("PLANID", None, "Plan ID in use"),
    ("RA", None, "[deg] Right ascension of object"),
    ("DEC", None, "[deg] Declination of object"),
    ("RA_OBS", None, "[deg] Right ascension during observing"),
    ("DEC_OBS", None, "[deg] Declination during observing"),
    ("OFFSET", False, "Whether there's a offset during observing"),
    ("OFFSET_V", "%.2f:0", "Offset value in arcsecond"),
    ("DESIG", None, "Designation of LAMOST target"),
    ("FIBERID", None, "Fiber ID of Object"),
    ("CELL_ID", "F0000", "Fiber Unit ID on the focal plane"),
    ("X_VALUE", "0.0", "[mm] X coordinate of object on the focal plane"),
    ("Y_VALUE", "0.0", "[mm] Y coordinate of object on the focal plane"),
    ("OBJNAME", None, "Name of object"),
    ("OBJTYPE", "Star", "Object type from input catalog"),
    ("TSOURCE", "MOCK", "Name of input catalog"),
    ("TCOMMENT", ".", "Target information"),
    ("TFROM", "-", "Target catalog"),
    ("FIB_TYPE", None, "Fiber type of object"),
    ("FIB_MASK", 0, "Bitmask of warning values, 0 means good"),
    ("MAG_PS_G", None, "[mag] Magnitude of object"),
    ("MAG_PS_R", "%.2f:-9999", "[mag] Magnitude of object"),
    ("MAG_PS_I", "%.2f:-9999", "[mag] Magnitude of object"),
    ("MAG_PS_Z", "%.2f:-9999", "[mag] Magnitude of object"),
    ("MAG_PS_Y", "%.2f:-9999", "[mag] Magnitude of object"),
    ("OBS_TYPE", "OBJ", "The type of target (OBJ, FLAT, ARC or BIAS)"),
    ("OBSCOMM", "Science", "Science or Test"),
    ("RADECSYS", "FK5", "Equatorial coordinate system"),
    ("EQUINOX", "%.2f:2000", "Equinox in years"),
    ("LAMPLIST", "lamphgcdne.dat", "Arc lamp emission line list"),
    ("SKYLIST", "skylines.dat", "Sky emission line list"),
    ("NEXP", 3, "Number of valid exposures"),
    ("NEXP_B", 3, "Number of valid blue exposures"),
    ("NEXP_R", 3, "Number of valid red exposures"),
    ("EXPT_B", "%.2f:5400", "[s] Blue exposure duration time"),
    ("EXPT_R", "%.2f:5400", "[s] Red exposure duration time"),
    ("EXPTIME", "%.2f:5400", "[s] Minimum of exposure time for all cameras"),
    ("BESTEXP", None, "LMJM of the best exposure"),
    ("SCAMEAN", "%.2f:3.5", "[ADU] Mean level of scatter light"),
    ("COMMENT", "--------SPECTROGRAPH PARAMETERS", ""),
    ("SPID", None, "Spectrograph ID"),
    ("SPRA", None, "[deg] Average RA of this spectrograph"),
    ("SPDEC", None, "[deg] Average DEC of this spectrograph"),
    ("SLIT_MOD", "x2/3", "Slit mode, x1, x2/3 or x1/2"),
    ("COMMENT", "--------WEATHER CONDITION", ""),
    ("TEMPCCDB", "%.2f:-113.5", "[deg] The temperature of blue CCD"),
    ("TEMPCCDR", "%.2f:-113.5", "[deg] The temperature of red CCD"),
    ("SEEING", "%.2f:3.2", "[arcsec] Seeing during exposure"),
    ("MOONPHA", "%.2f:14.8", "[day] Moon phase for a 29.53 days period"),
    ("TEMP_AIR", "%.2f:4.5", "[deg] Temperature outside dome"),
    ("TEMP_FP", "%.2f:9.6", "[degree celsius] Temprature of the focalplane"),
    ("DEWPOINT", "%.2f:-7.2", "[deg]"),
    ("DUST", "", "Reservation"),
    ("HUMIDITY", "%.2f:0.4", ""),
    ("WINDD", "%.2f:302.6", "[deg] Wind direction"),
    ("WINDS", "%.2f:3.6", "[m/s] Wind speed"),
    ("SKYLEVEL", "", "Reservation"),
    ("COMMENT", "--------DATA REDUCTION PARAMETERS", ""),
    ("EXTRACT", "aperture", "Extraction method"),
    ("SFLATTEN", True, "Super flat has been applied"),
    ("PCASKYSB", True, "PCA sky-subtraction has been applied"),
    ("NSKIES", 22, "Sky fiber number"),
    ("SKYCHI2", "%.1f:2.5", "Mean chi^2 of sky-subtraction"),
    ("SCHI2MIN", "%.1f:1.6", "Minimum chi^2 of sky-subtraction"),
    ("SCHI2MAX", "%.1f:6.0", "Maximum chi^2 of sky-subtraction"),
    ("NSTD", 4, "Number of (good) standard stars"),
    ("FSTAR", "145-196-6-16", "FiberID of flux standard stars"),
    ("FCBY", "auto", "Standard stars origin (auto, manual or catalog)"),
    ("HELIO", True, "Heliocentric correction"),
    ("HELIO_RV", None, "[km/s] Heliocentric correction"),
    ("VACUUM", True, "Wavelengths are in vacuum"),
    ("NWORDER", 2, "Number of linear-log10 coefficients"),
    ("WFITTYPE", "LOG-LINEAR", "Linear-log10 dispersion"),
    ("COEFF0", None, "Central wavelength (log10) of first pixel"),
    ("COEFF1", "%.4f:0.0001", "Log10 dispersion per pixel"),
    ("WAT0_001", "system=linear", ""),
    ("WAT1_001", "wtype=linear label=Wavelength units=Angstroms", ""),
    ("CRVAL1", None, "Central wavelength (log10) of first pixel"),
    ("CD1_1", "%.4f:0.0001", "Log10 dispersion per pixel"),
    ("CRPIX1", 1, "Starting pixel (1-indexed)"),
    ("CTYPE1", "LINEAR", ""),
    ("DC-FLAG", 1, "Log-linear flag"),
    ("COMMENT", "--------SPECTRA ANALYSIS RESULTS", ""),
    ("VERSPIPE", "v2.9.8", "Layout of this version of Pipeline"),
    ("CLASS", None, "Class of object"),
    ("SUBCLASS", None, "Subclass of object"),
    ("Z", None, "Redshift of object"),
    ("Z_ERR", None, "Redshift error of object"),
    ("ZFLAG", "PIPELINE", "Which method computes the redshift"),
    ("SNRU", None, "SNR of u filter"),
    ("SNRG", None, "SNR of g filter"),
    ("SNRR", None, "SNR of r filter"),
    ("SNRI", None, "SNR of i filter"),
    ("SNRZ", None, "SNR of z filter"),
)

#: Columns of the one-row table, in LAMOST's order.
COLUMNS = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK", "NORMALIZATION")


def _card(key, value, comment):
    """Format one header card: 80 bytes. "%.2f:5" is the number 5 in that format."""
    if key == "COMMENT":
        return f"COMMENT {value}"[:80].ljust(80).encode()
    if isinstance(value, str) and value.startswith("%"):
        form, number = value.split(":")
        text = f"{form % float(number):>20}"
    elif isinstance(value, bool | np.bool_):
        text = f"{'FT'[bool(value)]:>20}"
    elif isinstance(value, int | np.integer):
        text = f"{value:>20d}"
    else:
        quoted = str(value).replace("'", "''")
        text = f"'{quoted:<8}'".ljust(20)
    return f"{key:<8}= {text} / {comment}"[:80].ljust(80).encode()


def _block(cards):
    """Join cards, end the header and fill it up to a FITS block."""
    data = b"".join(cards) + b"END".ljust(80)
    return data.ljust(-(-len(data) // 2880) * 2880)


#: The constant cards, formatted once.
_FIXED = tuple(_card(*card) if card[1] is not None else None for card in CARDS)


def primary_header(values):
    """Format the primary header.

    Parameters
    ----------
    values : mapping
        Value of every keyword that is None in `CARDS`; "%.6f:x" strings are numbers in a format.

    Returns
    -------
    bytes
    """
    return _block([fixed or _card(key, values[key], comment)
                   for fixed, (key, _, comment) in zip(_FIXED, CARDS, strict=True)])


def table_header(n):
    """Format the header of the ``COADD`` table with arrays of n pixels."""
    cards = [f"{'XTENSION':<8}= {chr(39)}BINTABLE{chr(39)}           /".ljust(80).encode()]
    numbers = (("BITPIX", 8, "Required value"), ("NAXIS", 2, "Required value"),
               ("NAXIS1", 4 * n * len(COLUMNS), "Number of bytes per row"),
               ("NAXIS2", 1, "Number of rows"), ("PCOUNT", 0, "Normally 0 (no varying arrays)"),
               ("GCOUNT", 1, "Required value"),
               ("TFIELDS", len(COLUMNS), "Number of columns in table"))
    cards += [_card(*number) for number in numbers]
    cards.append(_card("EXTNAME", "COADD", "The extension name"))
    cards += [_card(f"TTYPE{k}", name, "") for k, name in enumerate(COLUMNS, 1)]
    cards += [_card(f"TFORM{k}", f"{n}E", "") for k in range(1, len(COLUMNS) + 1)]
    return _block(cards)


def spectrum_bytes(values, columns):
    """Lay out a spectrum as the bytes of a ``.fits.gz`` file.

    Parameters
    ----------
    values : mapping
        See `primary_header`.
    columns : list of ndarray, each of shape (n,)
        In the order of `COLUMNS`.

    Returns
    -------
    bytes
        Gzip level 1, without time stamp: the same spectrum gives the same bytes.
    """
    n = columns[0].size
    data = np.concatenate(columns).astype(">f4").tobytes()
    data = data.ljust(-(-len(data) // 2880) * 2880, b"\0")
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=buffer, mtime=0) as stream:
        stream.write(primary_header(values) + table_header(n) + data)
    return buffer.getvalue()
