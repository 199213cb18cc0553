"""What a profile asks for, refused in one line where it makes no sense: make data, make plan."""

import sys

from cemp.archives.registry import CATALOGUES, SPECTRA
from cemp.errors import BadInputError
from cemp.workflow.profile import notebook_path, parameters, read_profile


def read_needs(paths, stems=(CATALOGUES, SPECTRA)):
    """Read the parameters that notebooks will get from a profile.

    Parameters
    ----------
    paths : cemp.paths.Paths
    stems : iterable of str
        Notebooks.

    Returns
    -------
    dict of str to dict
        Parameters by notebook; what the profile leaves out is not there.

    Raises
    ------
    BadInputError
        If the profile, a notebook or a parameter's name or value makes no sense.
    """
    _check_sections(paths)
    needs = {}
    for stem in stems:
        try:
            needs[stem] = parameters(stem, paths=paths)
        except (ValueError, KeyError, OSError, AttributeError):
            raise BadInputError(f"{notebook_path(stem, paths.root)} is damaged or cannot be read: "
                                "get it back with git checkout") from None
    folder = needs[SPECTRA].get("spectra_dir", "data/spectra")
    if not isinstance(folder, str) or not folder.strip():
        raise BadInputError(f"{paths.parameters}: spectra_dir is no path; name the folder of the "
                            "spectra in section 02_preprocessing")
    return needs


def _check_sections(paths):
    """Refuse a section of no notebook: nothing would read it."""
    notebooks = {path.stem for path in (paths.root / "notebooks").glob("*.ipynb")}
    strange = sorted(str(name) for name in read_profile(paths) if name not in notebooks)
    if strange:
        raise BadInputError(f"{paths.parameters}: no notebook {', '.join(strange)}; correct the "
                            f"section's name (notebooks: {', '.join(sorted(notebooks))})")


def number(paths, section, name, default, least):
    """Take a number from a section of a profile.

    Parameters
    ----------
    paths : cemp.paths.Paths
        For the message.
    section : dict
    name : str
    default : float
        What it is if the profile leaves it out.
    least : float
        Smallest value that makes sense.

    Returns
    -------
    float
    """
    value = section.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise BadInputError(f"{paths.parameters}: {name} is {value!r}; it must be a number of at "
                            f"least {least:g}")
    return value


def command(work):
    """Do a command's work; what a user can mend is one line on stderr.

    Parameters
    ----------
    work : callable
        Returns the exit status.

    Returns
    -------
    int
        Its status; 1 for bad input, 130 for Ctrl-C.
    """
    try:
        return work()
    except KeyboardInterrupt:
        print("stopped; run again to go on: what came is kept", file=sys.stderr)
        return 130
    except BadInputError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{where}{error.strerror or error}; free space or correct the permissions and run "
              "again", file=sys.stderr)
    return 1
