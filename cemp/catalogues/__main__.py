"""Read catalogues of any kind known here and write one table of stars.

``python -m cemp.catalogues FILE... --out table.ecsv`` recognises each file by its content (LAMOST's
catalogue, APOGEE, LAMOST-Subaru, SAGA, JINAbase, Placco et al. 2014, a list of CEMP stars), says
what it read and dropped, and writes one row a star. One file that cannot be used ends the run;
with ``--skip`` it is left out, named and counted. Stars that a LAMOST catalogue among the files
observed get the obsid of their best spectrum.
"""

import argparse
import sys
from pathlib import Path

from cemp.catalogues.combine import TableSettings, combine
from cemp.catalogues.recognise import KINDS, read, recognise
from cemp.catalogues.table_file import FORMATS, check_out, write_table
from cemp.errors import BadInputError


def describe(path, kind, table):
    """Say in one line what was read.

    Parameters
    ----------
    path : path_like
    kind : str
        Key of `cemp.catalogues.recognise.KINDS`.
    table : pandas.DataFrame
        As its reader returned it.

    Returns
    -------
    str
        Name of the file (not its folder), kind, rows read and kept, reasons with counts.
    """
    reasons = [f"{what}: {n}" for kind_ in ("dropped", "noted")
               for what, n in table.attrs[kind_].items() if n]
    text = f"{Path(path).name}: {KINDS[kind][0]}, {table.attrs['n_read']} rows, {len(table)} kept"
    return text + (f" ({'; '.join(reasons)})" if reasons else "")


def read_all(paths, skip=False):
    """Read every file, telling on the way what it is.

    Parameters
    ----------
    paths : sequence of path_like
    skip : bool
        Whether to go on past files that cannot be used.

    Returns
    -------
    tables : list of pandas.DataFrame
        Tables of labels.
    survey : pandas.DataFrame or None
        LAMOST's catalogue.
    lines : list of str
        From `describe`; for a file left out, why.
    n_skipped : int
        Files left out.

    Raises
    ------
    BadInputError
        Without `skip`, if files are no known catalogues (all are named, before any is read), one
        cannot be used, or a catalogue stands there twice.
    """
    known, lines = _known(paths, skip)
    n_known = len(known)
    tables, survey, seen = [], None, {}
    for path in known:
        try:
            kind, table = read(path)
            if kind in seen:
                raise BadInputError(
                    f"{path} and {seen[kind]} are both {KINDS[kind][0]}: name one of them"
                )
        except BadInputError as error:
            if not skip:
                raise
            n_known -= 1
            lines.append(_left_out(path, error))
            continue
        seen[kind] = path
        lines.append(describe(path, kind, table))
        print(lines[-1], flush=True)
        if kind == "lamost":
            survey = table
        else:
            tables.append(table)
    return tables, survey, lines, len(paths) - n_known


def _known(paths, skip):
    """Name every file that is no catalogue at once: reading the good ones takes a while."""
    known, unknown = [], []
    for path in paths:
        try:
            recognise(path)
            known.append(path)
        except BadInputError as error:
            unknown.append((path, str(error)))
    if unknown and not skip:
        raise BadInputError("\n".join(reason for _, reason in unknown))
    return known, [_left_out(*one) for one in unknown]


def _left_out(path, reason):
    """Say on stderr why a file is left out; the table's header has its name."""
    print(f"left out: {reason}", file=sys.stderr, flush=True)
    return f"{Path(path).name}: left out"


def tell(combined):
    """Print what came of it: counts, scatter, overlaps.

    Parameters
    ----------
    combined : cemp.catalogues.combine.Combined
    """
    print("\n" + ", ".join(f"{name}: {n}" for name, n in combined.counts.items()))
    print("\nscatter of one entry, from pairs of entries of a star in one source:")
    print(combined.scatter.round(3).to_string())
    common = combined.comparison[combined.comparison["n"] > 0]
    if len(common):
        print("\nsources on stars in common (scatter 0: the same measurements):")
        print(common.round(3).to_string(index=False))


def parser():
    """Make the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
    """
    defaults = TableSettings()
    made = argparse.ArgumentParser(prog="python -m cemp.catalogues", description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("files", nargs="+", metavar="FILE", help="tables, or folders of CDS")
    made.add_argument("--out", required=True, metavar="TABLE",
                      help=f"file to write; its suffix says how: {', '.join(FORMATS)}")
    made.add_argument("--radius", type=float, default=defaults.radius_arcsec, metavar="ARCSEC",
                      help="entries this close are one star (default: %(default)s)")
    made.add_argument("--priority", default=",".join(defaults.priority), metavar="SOURCES",
                      help="sources of labels, most trusted first (default: %(default)s)")
    made.add_argument("--skip", action="store_true",
                      help="leave out files that cannot be used, and go on")
    return made


def main(arguments=None):
    """Command line; see ``--help``.

    Returns
    -------
    int
        0, or 1 with one line on stderr, or 130 if interrupted.
    """
    args = parser().parse_args(arguments)
    try:
        check_out(args.out)
        priority = tuple(name.strip() for name in args.priority.split(",") if name.strip())
        if unknown := sorted({*priority} - {*KINDS}):
            raise BadInputError(f"--priority: no source {', '.join(unknown)}; known: "
                                f"{', '.join(KINDS)}")
        if not 0 < args.radius <= 30:
            raise BadInputError("--radius: between 0 and 30 arcsec, please")
        settings = TableSettings(priority=priority, radius_arcsec=args.radius)
        tables, survey, lines, n_skipped = read_all(args.files, args.skip)
        combined = combine(tables, settings, survey)
        write_table(combined, args.out, lines, settings)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; {args.out} was not written", file=sys.stderr)
        return 130
    tell(combined)
    if n_skipped:
        print(f"\n{n_skipped} of {len(args.files)} files left out")
    print(f"\n{len(combined.table)} stars -> {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
