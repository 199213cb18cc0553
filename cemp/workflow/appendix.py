"""Tables of the paper's last appendix: configuration of the network, stages, versions of a run."""

import json
import platform
from importlib.metadata import version

from cemp.errors import BadInputError
from cemp.results import write_table
from cemp.workflow.profile import parameters
from cemp.workflow.receipt import PACKAGES, seeds, stage_entries

#: Parameters of a notebook that say where it runs, and not what it does.
PLACES = ("profile", "seed", "device", "threads", "n_jobs")


def texttt(word):
    r"""Set a name as code.

    Examples
    --------
    >>> texttt("03_training")
    '\\texttt{03\\_training}'
    """
    return r"\texttt{" + str(word).replace("_", r"\_") + "}"


def shown(value):
    """Set a setting as text.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> shown([3, 5, 11]), shown(False), shown(0.003)
    ('3, 5, 11', 'no', '0.003')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def configuration_rows(paths):
    """Tell how the network was built and trained.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of tuple of str
        Part, setting, value.

    Raises
    ------
    BadInputError
        If the run has no network.
    """
    file = paths.build / "03" / "macrn.json"
    try:
        config = json.loads(file.read_text())["config"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(f"{file} tells no configuration ({error}); run 03_training") from error
    training = parameters("03_training", paths=paths)
    rows = [("network", texttt(name), shown(value)) for name, value in config.items()]
    return rows + [("training", texttt(name), shown(value)) for name, value in training.items()
                   if name not in PLACES]  # fmt: skip


def stage_rows(paths):
    """Tell what each notebook took.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of tuple of str
        Notebook, seed, minutes, peak memory [GiB].
    """
    of, rows = seeds(paths), []
    for name, entry in stage_entries(paths).items():
        seed = of.get(name, "default")
        rows.append((texttt(name), r"\nodata" if seed == "default" else str(seed),
                     f"{entry['seconds'] / 60:.1f}", f"{entry['peak_bytes'] / 2**30:.2f}"))
    return rows


def version_rows():
    """Name the versions of Python and of the packages that results depend on.

    Returns
    -------
    list of tuple of str
        Package, version.
    """
    return [("Python", platform.python_version()),
            *((name.replace("_", r"\_"), version(name).split("+")[0]) for name in PACKAGES)]


def write_appendix(paths):
    """Write the tables of the appendix.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile; its notebooks have run.
    """
    for name, rows in (("run_configuration", configuration_rows(paths)),
                       ("run_stages", stage_rows(paths)), ("run_versions", version_rows())):
        write_table(name, rows, paths)
