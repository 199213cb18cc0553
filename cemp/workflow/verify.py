"""Compare a run's headline numbers, and those in the committed notebooks, with the reference.

Another processor trains another network, as another seed does: the run and the reference are two
draws, and their difference scatters by sqrt(2) times the scatter over seeds. A number agrees if it
differs by at most three times that, plus one unit of the last digit that the paper prints.
"""

import argparse
import json
import math
import re
import sys

import nbformat

from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.results import Value, read_values

#: Headline numbers of the committed run and their scatter; written by `make reference`.
REFERENCE = ROOT / "tests" / "reference" / "headline.json"

#: Tolerance in units of the scatter over seeds: three sigma of a difference of two runs.
TIMES = 3 * math.sqrt(2)

NUMBER = re.compile(r"[-+\u2212]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")


def read_reference(path=REFERENCE):
    """Read the committed headline numbers.

    Parameters
    ----------
    path : pathlib.Path
        What `make reference` wrote.

    Returns
    -------
    dict
        ``values`` by macro name (``value``, ``scatter``, ``fmt``, ``what``), ``seeds``, ``stages``,
        and ``unjudged``: names without a scatter over seeds, which only have to be there.
    """
    if not path.is_file():
        raise BadInputError(f"{path} does not exist: `make reference` writes it")
    return json.loads(path.read_text())


def last_digit(fmt):
    """One unit of the last digit that a format prints.

    Parameters
    ----------
    fmt : str
        Format specification.

    Returns
    -------
    float

    Examples
    --------
    >>> last_digit(".2f"), last_digit(",d"), last_digit(".1%")
    (0.01, 1.0, 0.001)
    """
    digits = re.search(r"\.(\d+)([f%])", fmt)
    if not digits:
        return 1.0 if fmt.endswith("d") else 0.0
    return 10.0 ** -(int(digits[1]) + (2 if digits[2] == "%" else 0))


def tolerance(entry):
    """How far a number may lie from the reference.

    Parameters
    ----------
    entry : dict
        One of the reference's values.

    Returns
    -------
    float
    """
    return TIMES * entry["scatter"] + last_digit(entry["fmt"]) + 1e-9 * abs(entry["value"])


def agrees(value, entry):
    """Tell whether a value agrees with its reference; texts must be equal.

    Examples
    --------
    >>> entry = {"value": 0.10, "scatter": 0.01, "fmt": ".2f"}
    >>> agrees(0.15, entry), agrees(0.16, entry)
    (True, False)
    """
    if isinstance(value, str) or isinstance(entry["value"], str):
        return value == entry["value"]
    if math.isnan(value) or math.isnan(entry["value"]):
        return math.isnan(value) and math.isnan(entry["value"])
    return abs(value - entry["value"]) <= tolerance(entry)


def untex(text):
    r"""Turn the TeX of a printed value back into plain text.

    Examples
    --------
    >>> untex(r"\ensuremath{-}1{,}650")
    '-1,650'
    """
    return text.replace(r"\ensuremath{-}", "-").replace("{,}", ",").replace(r"\nodata", "nan")


def numbers(text):
    """Read all numbers of a text with the precision they are printed with.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of tuple of float
        Number and half a unit of its last digit.

    Examples
    --------
    >>> numbers("n = 1,234, rms 0.10 dex")
    [(1234.0, 0.5), (0.1, 0.005)]
    """
    found = []
    for token in NUMBER.findall(text):
        token = token.rstrip(",").rstrip(".").replace(",", "").replace("\u2212", "-")
        decimals = len(token.partition(".")[2].split("e")[0])
        found.append((float(token), 0.5 * 10.0**-decimals))
    return found


def headline_output(path):
    """Text that the last code cell of a notebook shows: its headline table.

    Parameters
    ----------
    path : pathlib.Path
        A notebook with outputs.

    Returns
    -------
    str
    """
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "")
             for output in (cells[-1].outputs if cells else [])]
    return "\n".join(texts)


def shown(name, value, entry, text):
    """Tell whether a notebook's headline table shows a value, within the reference's tolerance.

    Parameters
    ----------
    name : str
        Macro name; if the table prints it, or what the value is, only such lines count.
    value : float or str
        Value of this run.
    entry : dict
        Its reference.
    text : str
        What the last cell shows.

    Returns
    -------
    bool
    """
    lines = [line for line in text.splitlines()
             if re.search(rf"\b{name}\b", line) or (entry["what"] and entry["what"] in line)]
    text = untex("\n".join(line.replace(entry["what"], " ") for line in lines) or text)
    if isinstance(value, str):
        return value in text
    if math.isnan(value):
        return "nan" in text.lower()
    scales = (1.0, 100.0) if entry["fmt"].endswith("%") else (1.0,)
    return any(abs(number / scale - value) <= tolerance(entry) + half / scale
               for number, half in numbers(text) for scale in scales)


def compare(values, reference, text_of):
    """Compare a run with the reference.

    Parameters
    ----------
    values : dict of str to cemp.results.Value
        The run's results.
    reference : dict
        From `read_reference`.
    text_of : dict of str to str
        Headline output of each committed notebook.

    Returns
    -------
    rows : list of tuple of str
        Name, this run, committed, tolerance, verdict.
    faults : list of str
        What disagrees; empty if all is well.
    """
    rows, faults = [], []
    headline = {name: value for name, value in values.items() if value.headline}
    known = set(reference["values"]) | set(reference.get("unjudged", ()))
    for name in sorted(set(headline) ^ known):
        faults.append(f"{name}: a headline number of only one side; `make reference` renews them")
    for name, entry in reference["values"].items():
        if name not in headline:
            continue
        value = headline[name].value
        good = agrees(value, entry)
        seen = shown(name, value, entry, text_of.get(entry["notebook"], ""))
        if not good:
            faults.append(f"{name}: differs from the committed {entry['value']}")
        if not seen:
            faults.append(f"{name}: notebooks/{entry['notebook']}.ipynb shows another value")
        within = "" if isinstance(entry["value"], str) else f"{tolerance(entry):.3g}"
        rows.append((name, plain(headline[name]), plain(Value(entry["value"], entry["fmt"])),
                     within, "ok" if good and seen else "DIFFERS"))
    return rows, faults


def plain(value):
    """Format a value for the terminal."""
    return format(value.value, value.fmt)


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    try:
        paths = Paths(parser.parse_args(arguments).profile)
        reference = read_reference()
        if paths.profile != "demo":
            raise BadInputError("the committed numbers are the demo's: `make verify PROFILE=demo`")
        texts = {path.stem: headline_output(path)
                 for path in (paths.root / "notebooks").glob("[0-9][0-9]_*.ipynb")}
        rows, faults = compare(read_values(paths), reference, texts)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    for row in [("headline number", "this run", "committed", "+/-", ""), *rows]:
        print("{:<34} {:>12} {:>12} {:>10}  {}".format(*row))
    for fault in faults:
        print(f"  {fault}", file=sys.stderr)
    if reference.get("unjudged"):
        names = ", ".join(reference["unjudged"])
        print(f"not judged, as no other seed ran their notebooks: {names}")
    print(f"verify: {len(rows) - sum(row[-1] != 'ok' for row in rows)} of "
          f"{len(reference['values'])} headline numbers agree", flush=True)
    return 1 if faults or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
