"""The command line of ``python -m cemp inject``."""

import argparse
import shlex
import sys

from cemp.errors import BadInputError
from cemp.predict.command import add_output, check_output

DESCRIPTION = """\
Put carbon into your own observed spectra (ratios of synthetic spectra: CH, C2, CN)
and tell what of it the network recovers: a test of completeness on real noise.
"""

EXAMPLES = """\
examples:
  python -m cemp inject spectra/ --c-fe 1 2 --out recovered.fits
  python -m cemp inject @files.txt --c-fe 0.7 1.0 1.5 --out recovered.csv --jobs 2

what is written: for each spectrum one row as observed and one for each [C/Fe] that it
  can be raised to, with the columns of `cemp predict` and those of the injection
  (--columns lists all). Carbon is only added, and metallicity stays: choose
  metal-poor stars to test the search for CEMP stars. Steps that the synthetic grid
  does not reach ([C/H] above +0.3, Teff outside 3900-7100 K) stand with the reason in
  NAME_skipped.csv, as do files that cannot be read. NAME_summary.csv, and the screen,
  tell bias and scatter of the recovered [C/Fe], the gain (rise found over rise made)
  and the share made candidates, by [C/Fe], S/N and Teff.
  A run that was stopped goes on where it was: give the same command again.
exit status: 0 if at least one spectrum was injected, 1 if none was, 2 if the run could
  not be done, 130 after Ctrl-C.
"""

#: Columns of the table that the summary is made of, and those of the summary on the screen.
NEEDED = ["identifier", "file", "injected", "c_fe_injected", "raised", "star_fe_h", "star_teff",
          "star_snrg", "fe_h", "c_fe", "p_cemp", "candidate"]  # fmt: skip
SHOWN = ["spectra", "bias", "scatter", "gain", "fe_bias", "p_cemp", "candidates", "low", "high"]


def add_parser(commands):
    """Add ``inject`` to the commands of ``python -m cemp``.

    Parameters
    ----------
    commands : argparse action of ``add_subparsers``
    """
    parser = commands.add_parser(
        "inject", help="put carbon into observed spectra and tell what is recovered",
        description=DESCRIPTION, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="files, folders, patterns, @LIST: as for predict")
    add("--c-fe", type=float, nargs="+", default=[0.5, 1.0, 1.5, 2.0], metavar="DEX", dest="c_fe",
        help="[C/Fe] that each star is raised to (default: %(default)s)")
    add_output(add)
    add("--seed", type=int, help="of the noise that is put back (default: the paper's)")
    add("--resolution", type=float, metavar="R",
        help="resolving power of plain 1-D spectra; finer ones are smoothed to 1800 on reading "
             "(default: 1800)")
    add("--medium", choices=("air", "vacuum"), help="of plain 1-D files")
    add("--velocity", type=float, metavar="KM/S", dest="velocity_kms",
        help="radial velocity of all spectra, in place of their files' own")
    add("--unit", help="of the wavelengths in plain 1-D files")
    add("--star", action="store_true", help="take every spectrum for a star")
    add("--cache", metavar="FOLDER", help="folder of the fitted emulator (default: build/emulator)")
    add("--quiet", action="store_true", help="no progress, errors only")
    add("--columns", action="store_true", dest="list_columns", help="list the columns and end")
    parser.set_defaults(run=run, parser=parser)


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
        from cemp.inject.recover import INJECTED

        print("\n".join(f"{k:20s} {c.unit or '-':9s} {c.what}" for k, c in INJECTED.items()))
        return 0
    check_output(options)
    try:
        return _inject(options)
    except KeyboardInterrupt:
        print("stopped; finished parts are kept, and the same command goes on from there",
              file=sys.stderr)  # fmt: skip
        return 130
    except BadInputError as error:
        print(f"cemp inject: {error}", file=sys.stderr)
        return 2


def _inject(options):
    """Inject, label and tell what came of it."""
    from cemp.constants import SEED
    from cemp.inject.ratio import RESOLUTION, real_emulator
    from cemp.inject.recover import InjectSettings, make_job
    from cemp.predict.api import make_settings
    from cemp.predict.run import predict_to_file, skipped_file

    seed = SEED if options.seed is None else options.seed
    # reading smooths what is finer, so that the ratio is never sharper than the spectrum
    resolution = min(options.resolution or RESOLUTION, RESOLUTION)
    how = InjectSettings(tuple(options.c_fe), resolution, True, seed, options.cache)
    read = {name: getattr(options, name)
            for name in ("medium", "velocity_kms", "unit", "star", "resolution")}
    settings = make_settings(options.weights, part_size=50, **read)
    real_emulator(options.cache)  # once, before the processes ask for it
    command = shlex.join(["python", "-m", "cemp", *options.words])
    outcome = predict_to_file(options.paths, options.out, settings, options.jobs, command,
                              not options.quiet, job=make_job(how))  # fmt: skip
    _summary_file(options.out).unlink(missing_ok=True)  # of an earlier run, if any
    found = _report(options.out) if outcome.labelled else None
    injected = 0 if found is None else int(found.loc["all", "spectra"].sum())
    if not options.quiet or not injected:
        for line in _summary(outcome, injected, options.out, skipped_file(options.out)):
            print(line, file=sys.stderr)
    if injected and not options.quiet:
        print(found[SHOWN].to_string(float_format="{:.2f}".format), file=sys.stderr)
    return 0 if injected else 1


def _report(out):
    """Summarise the table that was written, beside it; None if nothing was injected."""
    import pandas as pd
    from astropy.table import Table

    from cemp.atomic import atomic_path
    from cemp.inject.summary import add_response, report
    from cemp.textfile import comment_lines

    kind = out.suffix.lower()
    if kind == ".fits":
        rows = Table.read(out, hdu=1)[NEEDED].to_pandas()
    elif kind == ".parquet":
        rows = pd.read_parquet(out, columns=NEEDED)
    else:
        rows = pd.read_csv(out, skiprows=comment_lines(out), usecols=NEEDED, low_memory=False)
    if not rows["injected"].any():
        return None
    found = report(add_response(rows))
    with atomic_path(_summary_file(out)) as path:
        found.to_csv(path)
    return found


def _summary_file(out):
    """Path of the summary beside a table."""
    return out.with_name(f"{out.stem}_summary.csv")


def _summary(outcome, injected, out, skipped):
    """Tell what came of a run: list of str."""
    kinds = dict(outcome.skipped)
    steps = kinds.pop("not injected", 0)
    lines = [f"{steps:,} steps not made (carbon, Teff or [C/H] outside the grid): see {skipped}"]
    lines = lines if steps else []
    if kinds:
        said = ", ".join(f"{kind}: {n:,}" for kind, n in sorted(kinds.items()))
        lines.append(f"{sum(kinds.values()):,} of {outcome.files:,} files skipped ({said}): "
                     f"see {skipped}")  # fmt: skip
    if not injected:
        return [*lines, "no carbon was injected"]
    stars = outcome.labelled - injected
    return [*lines, f"{injected:,} injections into {stars:,} spectra: {out}"]
