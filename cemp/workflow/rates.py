"""Measured rates of the parts, which plans rest on: this machine's, or those recorded here."""

import json
from dataclasses import asdict, dataclass, fields

from cemp.atomic import atomic_path
from cemp.errors import BadInputError


@dataclass(frozen=True)
class Rates:
    """How fast the parts are, and how much room they take.

    The values are those of a virtual machine with two cores and 23 GiB without accelerator;
    ``make bench`` measures the first four on another one. What notebooks 01, 04 and 05 take a row
    is their peak at 11.9 million rows, less 0.5 GiB for the packages, over the rows: their own
    cells, in a process each, on the mock's catalogue repeated so often
    (``python -m cemp.workflow.fullstages``, ten minutes, which keeps what it finds for plans).

    Parameters
    ----------
    preprocessing : float
        Spectra a second and core, reading gzip included.
    inference : float
        Spectra a second.
    training : float
        Spectra a second, forth and back.
    match_rows : float
        Rows of the LAMOST catalogue a second that notebook 01 matches, all label tables together.
    match_bytes : float
        Memory a row of the matching.
    crossmatch_bytes : float
        Memory a row of the whole of notebook 01.
    preprocessing_bytes : float
        Memory a spectrum of notebook 02's table, its list of parts and its report, together (of a
        million rows); vectors are made a part at a time.
    evaluation_bytes, search_bytes : float
        Memory a spectrum of notebooks 04 and 05: tables of all spectra of the search, with the
        columns that are needed; vectors are read a thousand at a time.
    vector_bytes, labelled_bytes : float
        Disk a spectrum in the store of vectors, and a labelled one in labelled.csv.
    sample_bytes : float
        Memory a spectrum that training holds.
    """

    preprocessing: float = 63.0
    inference: float = 121.0
    training: float = 120.0
    # processor time, 32 s for 11.9 million rows (26 s on two cores); tables included
    match_rows: float = 3.7e5
    match_bytes: float = 210.0
    crossmatch_bytes: float = 305.0
    preprocessing_bytes: float = 330.0
    evaluation_bytes: float = 264.0
    search_bytes: float = 480.0
    # 5,001 x (flux, ivar) of 4 bytes
    vector_bytes: float = 40_010.0
    # the demo's labelled.csv: 99 MB of 3,029 spectra
    labelled_bytes: float = 33_000.0
    # flux and ivar of 4 bytes, mask of 1
    sample_bytes: float = 45_010.0


def read_rates(path):
    """Read what ``make bench`` measured on this machine.

    Parameters
    ----------
    path : pathlib.Path
        ``bench.json``.

    Returns
    -------
    rates : Rates
        The recorded values where nothing was measured.
    basis : str
        What they rest on, in words.

    Raises
    ------
    BadInputError
        If the file is no such table.
    """
    if not path.is_file():
        return Rates(), "rates recorded on two cores (`make bench` measures yours)"
    try:
        measured = json.loads(path.read_text())
        names = {f.name for f in fields(Rates)}
        found = {k: float(v) for k, v in measured.items() if k in names and float(v) > 0}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path} is damaged: remove it, or run `make bench` again") from error
    return Rates(**found), f"{', '.join(found)} as measured in {path}, the rest as recorded"


def write_rates(path, **measured):
    """Keep measured rates for plans; those measured before stay.

    Parameters
    ----------
    path : pathlib.Path
    **measured : float
        Fields of `Rates`.
    """
    unknown = set(measured) - set(asdict(Rates()))
    if unknown:
        raise BadInputError(f"no such rate: {', '.join(sorted(unknown))}")
    before = json.loads(path.read_text()) if path.is_file() else {}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(before | measured, indent=1) + "\n")
