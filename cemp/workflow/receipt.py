"""One page at the end of a run: times, memory, versions, seeds, hashes, headline numbers."""

import argparse
import hashlib
import json
import platform
import subprocess
import sys
from importlib.metadata import version

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.results import Value, read_values
from cemp.workflow.profile import notebook_path, parameters
from cemp.workflow.verify import agrees, plain, read_reference

#: Packages whose version can move a number.
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "astropy", "torch", "scikit-learn", "emcee",
            "matplotlib", "dust_extinction", "papermill")


def stage_entries(paths):
    """Read what each stage took.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to dict
        ``seconds``, ``peak_bytes`` and ``threads`` by notebook.
    """
    return {path.stem: json.loads(path.read_text())
            for path in sorted((paths.build / "log").glob("[0-9][0-9]_*.json"))}


def stage_lines(entries):
    """Table of the stages.

    Parameters
    ----------
    entries : dict of str to dict
        From `stage_entries`.

    Returns
    -------
    list of str
        Markdown.
    """
    lines = ["| stage | s | peak GiB |", "|---|---:|---:|"]
    lines += [f"| {name} | {entry['seconds']:.0f} | {entry['peak_bytes'] / 2**30:.2f} |"
              for name, entry in entries.items()]
    if entries:
        total = sum(entry["seconds"] for entry in entries.values())
        peak = max(entry["peak_bytes"] for entry in entries.values())
        lines.append(f"| sum, two at a time | {total:.0f} | {peak / 2**30:.2f} |")
    return lines


def commit(root):
    """Name the commit, with ``+`` if files differ from it; "unknown" outside git."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=root,
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def seeds(paths):
    """Read the seed each notebook ran with.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to object
        By notebook; "default" where the profile leaves the notebook's own.
    """
    names = [path.stem for path in sorted((paths.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    return {name: parameters(notebook_path(name, paths.root).stem, paths=paths)
            .get("seed", "default") for name in names}


def sha256(path):
    """Hash a file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        Hexadecimal digest.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def product_lines(products, paths):
    """Table of the products.

    Parameters
    ----------
    products : list of str
        Files, relative to the repository.
    paths : cemp.paths.Paths
        The profile; its PDF is added if there is one.

    Returns
    -------
    list of str
        Markdown.
    """
    pdf = paths.build / "paper" / "ms.pdf"
    files = [paths.root / product for product in products] + [pdf] * pdf.is_file()
    lines = ["| product | MB | sha256 |", "|---|---:|---|"]
    return lines + [f"| {path.relative_to(paths.build)} | {path.stat().st_size / 1e6:.2f} | "
                    f"`{sha256(path)[:16]}` |" for path in files]


def headline_lines(values, reference):
    """Table of the headline numbers beside the committed ones.

    Parameters
    ----------
    values : dict of str to cemp.results.Value
        The run's results.
    reference : dict of str to dict
        Committed values by name.

    Returns
    -------
    list of str
        Markdown.
    """
    lines = ["| headline number | this run | committed | within tolerance |",
             "|---|---:|---:|---|"]
    for name, value in values.items():
        if not value.headline:
            continue
        entry = reference.get(name)
        there = plain(Value(entry["value"], entry["fmt"])) if entry else "none"
        verdict = "" if not entry else "yes" if agrees(value.value, entry) else "no"
        lines.append(f"| {value.what} (`{name}`) | {plain(value)} | {there} | {verdict} |")
    return lines


def receipt(paths, products):
    """Write the page.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    products : list of str
        Stage files, relative to the repository.

    Returns
    -------
    str
        Markdown.
    """
    try:
        reference = read_reference()["values"] if paths.profile == "demo" else {}
    except BadInputError:
        reference = {}
    entries = stage_entries(paths)
    threads = sorted({entry["threads"] for entry in entries.values()})
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join([
        f"# Receipt of profile {paths.profile}", "",
        f"Commit {commit(paths.root)}; Python {platform.python_version()} on "
        f"{platform.system()} {platform.machine()}; threads {', '.join(threads)}; {packages}.", "",
        "Seeds: " + ", ".join(f"{name} {seed}" for name, seed in seeds(paths).items()) + ".", "",
        *stage_lines(entries), "",
        *headline_lines(read_values(paths), reference), "",
        *product_lines(products, paths), "",
    ])


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--products", nargs="*", default=[], help="files to hash")
    args = parser.parse_args(arguments)
    try:
        paths = Paths(args.profile)
        text = receipt(paths, args.products)
        with atomic_path(paths.build / "receipt.md") as path:
            path.write_text(text)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
