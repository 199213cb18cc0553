"""Copy the executed demo notebooks, with their outputs, into ``notebooks/``: what readers see.

Prose and code stay those of ``notebooks/``; outputs come from ``build/demo/notebooks/``, joined by
cell id and freed of what differs from run to run.
"""

import sys

import nbformat

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import Paths

#: Notebooks that need files beside the repository, or tables of long experiments: without a run
#: their committed outputs stay.
OPTIONAL = ("07_real_stars", "09_experiments", "12_injection")


def neutral(text, root):
    """Take this machine's folders out of a text.

    Parameters
    ----------
    text : str
        Output of a cell.
    root : str
        Folder of the repository.

    Returns
    -------
    str

    Examples
    --------
    >>> neutral("wrote /home/me/paper/build/x.csv", "/home/me/paper")
    'wrote build/x.csv'
    """
    return text.replace(root + "/", "").replace(root, ".")


def clean_output(output, root):
    """Free one output of counts, machine paths and metadata.

    Parameters
    ----------
    output : dict
        In nbformat's form.
    root : str
        Folder of the repository.

    Returns
    -------
    dict or None
        None for standard error, which readers do without.
    """
    if output["output_type"] == "stream":
        if output["name"] == "stderr":
            return None
        return nbformat.v4.new_output("stream", name="stdout", text=neutral(output["text"], root))
    data = {kind: neutral(value, root) if kind.startswith("text/") else value
            for kind, value in output["data"].items()}
    return nbformat.v4.new_output("display_data", data=data)


def publish(source, executed, root):
    """Join a notebook with the outputs of its run.

    Parameters
    ----------
    source : nbformat.NotebookNode
        Prose and code.
    executed : nbformat.NotebookNode
        The run.
    root : str
        Folder of the repository.

    Returns
    -------
    nbformat.NotebookNode
        Execution counts in the cells' order; tags are the only metadata left.

    Raises
    ------
    BadInputError
        If the run's code is not that of the source, or failed.
    """
    done = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    count = 0
    for cell in source.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        count += 1
        ran = done.get(cell.id)
        if ran is None or ran.source != cell.source:
            raise BadInputError(f"cell '{cell.id}' has changed since the run: `make stages` first")
        outputs = (clean_output(output, root) for output in ran.outputs
                   if output["output_type"] != "error")
        cell.outputs = [output for output in outputs if output is not None]
        cell.execution_count = count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    source.metadata = nbformat.from_dict({"kernelspec": kernel,
                                          "language_info": {"name": "python"}})
    return source


def publish_all(paths):
    """Renew every notebook's outputs.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The demo profile, executed.

    Returns
    -------
    list of str
        Notebooks written.
    """
    names = []
    for path in sorted((paths.root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        ran = paths.build / "notebooks" / path.name
        if not ran.is_file() and path.stem in OPTIONAL:
            continue
        if not ran.is_file():
            raise BadInputError(f"{ran} does not exist: `make stages` first")
        try:
            joined = publish(nbformat.read(path, as_version=4), nbformat.read(ran, as_version=4),
                             str(paths.root))
        except BadInputError as error:
            raise BadInputError(f"{path.name}: {error}") from error
        with atomic_path(path) as temporary:
            nbformat.write(joined, temporary)
        names.append(path.stem)
    return names


def main():
    """Command line: no arguments."""
    try:
        names = publish_all(Paths("demo"))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    print("notebooks/ now shows the run of", ", ".join(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
