"""The command line of ``python -m cemp predict``."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from cemp.errors import BadInputError

DESCRIPTION = """\
Label spectra of stars: Teff, log g, [Fe/H] and [C/H] with their errors, the
probability of being carbon-enhanced and metal-poor (CEMP), classes, G band, flags.
"""

EXAMPLES = """\
examples:
  python -m cemp predict spectra/ --out labels.fits
  python -m cemp predict 'dr10/*/spec-*.fits.gz' --out labels.ecsv --jobs 4
  python -m cemp predict @files.txt --out labels.parquet
  find /data -name 'spec-*.fits' | python -m cemp predict - --out labels.csv
  python -m cemp predict star.csv --medium air --velocity -120 --out star.csv.fits

what is read: LAMOST low-resolution spectra of every release (medium resolution is
  refused), SDSS/SEGUE/BOSS spec-*.fits, and plain 1-D spectra (FITS, CSV, ECSV, text)
  with wavelength, flux and, if there are any, errors. Content decides, not the name.
what is written: one row a spectrum (--columns lists the columns); files that could
  not be labelled stand with the reason in NAME_skipped.csv, in FITS also in the
  second extension. The table appears when everything is done. A run that was stopped
  goes on where it was: give the same command again. Equal runs write equal files.
exit status: 0 if at least one spectrum was labelled (the last line tells how many
  were not), 1 if none was, 2 if the run could not be done, 130 after Ctrl-C.
"""


def add_parser(commands):
    """Add ``predict`` to the commands of ``python -m cemp``.

    Parameters
    ----------
    commands : argparse action of ``add_subparsers``
    """
    parser = commands.add_parser(
        "predict", help="labels, errors and CEMP probabilities of spectra in files",
        description=DESCRIPTION, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH",
        help="file, folder (searched with its subfolders for FITS files), pattern in quotes, "
        "@FILE with one of these a line, or - for such lines on standard input")
    add_output(add)
    what = parser.add_argument_group("what the files do not say themselves")
    add = what.add_argument
    add("--medium", choices=("air", "vacuum"),
        help="of the wavelengths in plain 1-D files; nothing is guessed")
    add("--velocity", type=float, metavar="KM/S", dest="velocity_kms",
        help="heliocentric radial velocity of all spectra, in place of their files' own; "
        "0 for spectra at rest")
    add("--unit", help="of the wavelengths in plain 1-D files: Angstrom, nm, um, loglam ...")
    add("--resolution", type=float, metavar="R",
        help="resolving power of plain 1-D files; sharper ones are smoothed to LAMOST's 1800")
    add("--table-columns", metavar="NAMES", dest="columns", type=_names,
        help="of plain tables: names of the columns with wavelength, flux and error, or their "
        "order if there are no names, as wave,flux,error")
    add("--star", action="store_true",
        help="take every spectrum for a star, whatever class its file gives")
    more = parser.add_argument_group("more")
    add = more.add_argument
    add("--min-good", type=float, default=0.3, metavar="SHARE", dest="min_good_fraction",
        help="least share of good pixels on 3800-8800 Angstrom (default: %(default)s)")
    add("--keep-parts", action="store_true",
        help="keep the finished parts: a later run over more files labels the new ones only")
    add("--quiet", action="store_true", help="no progress, errors only")
    add("--columns", action="store_true", dest="list_columns",
        help="list the columns of the table and end")
    parser.set_defaults(run=run, parser=parser)


def add_output(add):
    """Add the options of every command that labels spectra: table, weights, processes.

    Parameters
    ----------
    add : callable
        ``add_argument`` of the parser.
    """
    add("--out", type=Path, metavar="FILE",
        help="table to write: .fits, .ecsv, .csv or .parquet")
    add("--weights", metavar="FOLDER", help="folder of a sky model (default: the package's own)")
    add("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
        help="processes (default: the cores of this machine, %(default)s)")


def check_output(options):
    """End with a usage message if there are no spectra, no table or no processes.

    Parameters
    ----------
    options : argparse.Namespace
    """
    if not options.paths or options.out is None:
        options.parser.error("name the spectra and the table to write: PATH... --out FILE")
    if options.jobs < 1:
        options.parser.error("--jobs is at least 1")


def _names(text):
    return tuple(name.strip() for name in text.split(","))


def run(options):
    """Do what the command line says.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.
    """
    if options.list_columns:
        from cemp.predict.columns import describe

        print(describe())
        return 0
    check_output(options)
    try:
        return _predict(options)
    except KeyboardInterrupt:
        from cemp.predict.settings import PredictSettings

        print(f"stopped; finished parts (of {PredictSettings.part_size} spectra) are kept, and the "
              "same command goes on from there", file=sys.stderr)  # fmt: skip
        return 130
    except MemoryError:
        print("cemp predict: out of memory; give fewer --jobs (0.5 GB each)", file=sys.stderr)
        return 2
    except BadInputError as error:
        from cemp.predict.label import with_options

        print(f"cemp predict: {with_options(str(error))}", file=sys.stderr)
        return 2


def _predict(options):
    """Label and tell what came of it."""
    from cemp.predict.api import READ, make_settings
    from cemp.predict.run import predict_to_file, skipped_file

    read = {name: getattr(options, name) for name in READ if hasattr(options, name)}
    settings = make_settings(options.weights, min_good_fraction=options.min_good_fraction, **read)
    command = shlex.join(["python", "-m", "cemp", *options.words])
    outcome = predict_to_file(options.paths, options.out, settings, options.jobs, command,
                              not options.quiet, options.keep_parts)  # fmt: skip
    if not options.quiet or not outcome.labelled:
        for line in summary(outcome, options.out, skipped_file(options.out)):
            print(line, file=sys.stderr)
    return 0 if outcome.labelled else 1


def summary(outcome, out, skipped):
    """Tell what came of a run.

    Parameters
    ----------
    outcome : cemp.predict.run.Outcome
    out, skipped : pathlib.Path
        Tables.

    Returns
    -------
    list of str
    """
    lines = []
    if outcome.labelled and not outcome.has_domain:
        lines.append("note: no domain.npz beside the weights, so spectra unlike those of the "
                     "training are not flagged, only labels at its edge")  # fmt: skip
    if outcome.repeated:
        lines.append(f"note: {outcome.repeated:,} names were given twice and used once")
    if outcome.same_obsid:
        lines.append(f"note: {outcome.same_obsid:,} rows share their obsid with another row: "
                     "the same spectrum in several files")  # fmt: skip
    if outcome.skipped:
        kinds = ", ".join(f"{kind}: {n:,}" for kind, n in sorted(outcome.skipped.items()))
        lines.append(f"{outcome.skipped.total():,} of {outcome.files:,} files skipped ({kinds}): "
                     f"see {skipped}")  # fmt: skip
    if outcome.cemp > outcome.clean_cemp:
        lines.append(f"note: {outcome.cemp:,} are CEMP by their labels, {outcome.clean_cemp:,} of "
                     "them with nothing against it (column clean)")  # fmt: skip
    last = f"{outcome.labelled:,} spectra labelled: {out}"
    return [*lines, last if outcome.labelled else _unwritten(out)]


def _unwritten(out):
    """Say that no table was written, and what may stand in its place."""
    old = "; the file of that name is an older one" if Path(out).exists() else ""
    return f"no spectrum was labelled, {out} not written{old}"
