"""Parameters of a notebook: its profile's section, checked against what the notebook declares."""

import logging

import nbformat
import papermill
import yaml

from cemp.errors import BadInputError
from cemp.paths import Paths


def notebook_path(name, root):
    """Find a notebook of the paper.

    Parameters
    ----------
    name : str
        File stem (``"03_training"``) or its number (``"03"``).
    root : pathlib.Path
        The repository.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadInputError
        If there is none, or more than one.
    """
    found = sorted((root / "notebooks").glob(f"{name}.ipynb"))
    found = found or sorted((root / "notebooks").glob(f"{name}_*.ipynb"))
    if len(found) != 1:
        known = ", ".join(path.stem for path in sorted((root / "notebooks").glob("*.ipynb")))
        raise BadInputError(f"no notebook '{name}'; notebooks/ holds: {known or 'none'}")
    return found[0]


def read_profile(paths):
    """Read a profile's file.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to dict
        Parameters by notebook name.

    Raises
    ------
    BadInputError
        If the file is not a mapping of notebook names to flat mappings of plain values.
    """
    try:
        sections = yaml.safe_load(paths.parameters.read_text()) or {}
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())  # YAML's own words take several lines
        raise BadInputError(f"{paths.parameters} is not valid YAML: {reason}: correct it"
                            ) from error
    except UnicodeDecodeError:
        sections = None
    if not isinstance(sections, dict):
        raise BadInputError(f"{paths.parameters} is no list of 'notebook:' sections; see "
                            "notebooks/profiles/dr11.yaml for one")
    for name, section in sections.items():
        flat = isinstance(section, dict) and not any(
            isinstance(value, dict) for value in section.values()
        )
        if section is not None and not flat:
            raise BadInputError(
                f"{paths.parameters}: section '{name}' must be a list of 'parameter: value' lines: "
                "correct it"
            )
    return {name: section or {} for name, section in sections.items()}


def skips(name, paths):
    """Tell whether a profile leaves a notebook out, and why.

    Parameters
    ----------
    name : str
        Notebook stem.
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    str
        What the section's ``skip`` says; empty if the notebook runs.
    """
    return str(read_profile(paths).get(name, {}).get("skip", ""))


def declared_parameters(path):
    """Read what a notebook's ``parameters`` cell declares.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.

    Returns
    -------
    list of str
        Names, in the cell's order.

    Raises
    ------
    BadInputError
        If no cell is tagged ``parameters``, or more than one is.
    """
    cells = nbformat.read(path, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise BadInputError(f"{path}: {len(tagged)} cells are tagged 'parameters'; tag exactly one")
    level = logging.getLogger("papermill").level
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        return list(papermill.inspect_notebook(str(path)))
    finally:
        logging.getLogger("papermill").setLevel(level)


def parameters(name, profile="demo", overrides=None, paths=None):
    """Parameters that a notebook runs with.

    Parameters
    ----------
    name : str
        Notebook stem or number.
    profile : str
        Name of the profile.
    overrides : dict of str to object, optional
        Values that replace the profile's.
    paths : cemp.paths.Paths, optional
        Instead of `profile`: its paths.

    Returns
    -------
    dict of str to object
        Section of the profile, the profile's name and the overrides.

    Raises
    ------
    BadInputError
        If a parameter is not one that the notebook declares: papermill itself would only warn
        and run with the default.
    """
    paths = paths or Paths(profile)
    path = notebook_path(name, paths.root)
    values = {**read_profile(paths).get(path.stem, {}), "profile": paths.profile}
    values.update(overrides or {})
    values.pop("skip", None)
    known = declared_parameters(path)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise BadInputError(
            f"{paths.parameters}: notebook {path.stem} has no parameter {', '.join(unknown)}; "
            f"it declares: {', '.join(known)}. Correct the name there or in the notebook's "
            "cell tagged 'parameters'"
        )
    return values
