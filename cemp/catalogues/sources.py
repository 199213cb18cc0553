"""The label tables of a profile, read in one go; a source that a profile leaves out is left out."""

from cemp.catalogues.apogee import read_apogee
from cemp.catalogues.jinabase import read_jinabase
from cemp.catalogues.saga import read_saga
from cemp.catalogues.subaru import read_subaru
from cemp.errors import BadInputError

#: Source -> its reader, in the order in which tables show them.
READERS = {"apogee": read_apogee, "subaru": read_subaru, "saga": read_saga,
           "jinabase": read_jinabase}  # fmt: skip


def read_sources(paths, **files):
    """Read the label tables that a profile names.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile, for relative paths.
    **files : str
        By source (`READERS`): its file or folder; an empty text leaves the source out.

    Returns
    -------
    dict of str to pandas.DataFrame
        By source, in the order of `READERS`.

    Raises
    ------
    BadInputError
        If no source is named, one is unknown, or one cannot be read.
    """
    if unknown := sorted({*files} - {*READERS}):
        raise BadInputError(f"no source of labels {', '.join(unknown)}; known: "
                            f"{', '.join(READERS)}")
    named = {source: files[source] for source in READERS if files.get(source)}
    if not named:
        raise BadInputError("the profile names no source of labels: give at least one of "
                            "apogee_catalogue, subaru_folder, saga_table, jinabase_table")
    return {source: READERS[source](paths.resolve(path)) for source, path in named.items()}
