"""Fetch what a profile needs from the archives: ``make data PROFILE=dr11``."""

import argparse
import sys
import time

from cemp.archives.catalogues import fetch_cds, fetch_file
from cemp.archives.http import Fetcher
from cemp.archives.registry import (
    CATALOGUES,
    REGISTRY,
    SPECTRA,
    read_registry,
    wanted_files,
)
from cemp.archives.secret import read_token
from cemp.archives.settings import FetchSettings
from cemp.archives.spectra import fetch_spectra
from cemp.archives.there import check_catalogue
from cemp.duration import duration
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.needs import command, read_needs
from cemp.workflow.observed import FOLDS, count_spectra, wanted_spectra
from cemp.workflow.sizes import fits_rows


def fetch_catalogues(wanted, fetcher, say=print):
    """Fetch the catalogues that are not there; one that fails does not keep back the others.

    Parameters
    ----------
    wanted : list of cemp.archives.registry.Wanted
    fetcher : cemp.archives.http.Fetcher
    say : callable
        Called with a line a file.

    Returns
    -------
    int
        Files that are still missing, or not what they should be.
    """
    missing = 0
    for file in wanted:
        try:
            how = _fetch_catalogue(file, fetcher)
            say(f"  {how:8} {file.path}{_odd_size(file)}")
        except (BadInputError, OSError) as error:
            missing += 1
            say(f"  {_state(file):8} {file.path}: {_reason(error)}")
    return missing


def _reason(error):
    """Say what went wrong, the disk's own errors with what to do."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}; correct the permissions and run again"
    return str(error)


def _state(file):
    """MISSING, or WRONG if something is there."""
    try:
        return "WRONG" if file.there else "MISSING"
    except OSError:
        return "WRONG"


def _odd_size(file):
    """Remark on a table that has not the rows that its archive states: another release, a part."""
    stated = file.source.rows if file.source and file.path.is_file() else 0
    rows = fits_rows(file.path) if stated else None
    if not rows or abs(rows - stated) <= 0.05 * stated:
        return ""
    return f" ({rows:,} rows, the archive states {stated:,}: is it the right release, and whole?)"


def _fetch_catalogue(file, fetcher):
    """Have one file that is the catalogue asked for, and say how it came."""
    if file.made:
        return "mock"
    seen = []

    def check(path):
        check_catalogue(file.parameter, path)
        seen.append(path)

    how = _have(file, fetcher, check)
    if not seen:  # a file without a checksum was looked at before it got one
        check(file.path)
    return how


def _have(file, fetcher, check):
    """Have one file in its place, and say how it came."""
    source = file.source
    if source is None:
        if not file.there:
            raise BadInputError("no archive is known for a file of this name; put it there, or "
                                f"correct {file.parameter} in the profile")
        return "kept"
    if source.by_hand:
        if not file.there:
            raise BadInputError(source.by_hand)
        return "kept"
    if source.content == "cds":
        return "fetched" if fetch_cds(source.url, file.path, fetcher) else "kept"
    return "fetched" if fetch_file(
        source.url, file.path, fetcher, source.token, source.content, check) else "kept"


class Progress:
    """Say on stderr how far the download is, at most every ten seconds.

    Parameters
    ----------
    total : int
        Spectra wanted.
    every_s : float
    """

    def __init__(self, total, every_s=10.0):
        self.total, self.every = total, every_s
        self.begin = self.last = time.monotonic()

    def __call__(self, tally):
        """Print a line if it is time."""
        now = time.monotonic()
        if now - self.last < self.every:
            return
        self.last, asked = now, tally.fetched + tally.failed
        rate = asked / (now - self.begin)
        left = self.total - tally.kept - asked
        print(f"{tally.kept:,} there, {tally.fetched:,} fetched, {tally.failed:,} failed of "
              f"{self.total:,}; {rate:.1f} a second, {duration(left / rate) if rate else '?'} left",
              file=sys.stderr, flush=True)  # fmt: skip


def fetch_profile(paths, which, fetcher, registry=REGISTRY, say=print):
    """Fetch the files of a profile.

    Parameters
    ----------
    paths : cemp.paths.Paths
    which : str
        Key of `FOLDS`: which spectra.
    fetcher : cemp.archives.http.Fetcher
    registry : path_like
    say : callable
        Called with each line.

    Returns
    -------
    int
        Files and spectra that are still missing.
    """
    needs = read_needs(paths)
    sources, source = read_registry(registry)
    wanted = wanted_files(paths, needs[CATALOGUES], sources)
    say(f"Catalogues of profile {paths.profile}:")
    missing = fetch_catalogues(wanted, fetcher, say)
    if which == "none" or all(file.made for file in wanted):
        return missing
    observations = paths.build / "01" / "observations.parquet"
    if not observations.exists():
        say("Spectra: which ones is known after the crossmatch; run\n"
            f"  make {observations.relative_to(paths.root)} PROFILE={paths.profile}\n"
            "and then this again")
        return missing
    folder = paths.resolve(needs[SPECTRA].get("spectra_dir", "data/spectra"))
    total = count_spectra(observations, which)
    say(f"Spectra ({which}): {total:,} to {folder}")
    failed = paths.build / "data" / "spectra_failed.csv"
    tally = fetch_spectra(wanted_spectra(observations, which), folder, fetcher, source, failed,
                          Progress(total))
    say(f"  {tally.kept:,} were there, {tally.fetched:,} fetched "
        f"({tally.bytes / 1e6:,.0f} MB), {tally.failed:,} failed")
    if tally.failed:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in tally.kinds.most_common())
        say(f"  failed: {kinds}; see {failed}")
    return missing + tally.failed


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--spectra", default="labelled", choices=list(FOLDS),
                        help="which spectra: of labelled stars (default), all, or none")
    settings = FetchSettings()
    parser.add_argument("--in-flight", type=int, default=settings.in_flight,
                        help="spectra asked for at the same time (default %(default)s)")
    parser.add_argument("--per-second", type=float, default=settings.per_second,
                        help="requests a second at most (default %(default)s)")
    parser.add_argument("--attempts", type=int, default=settings.attempts,
                        help="times a file is asked for before it is given up")
    parser.add_argument("--timeout", type=float, default=settings.timeout_s,
                        help="longest silence of an archive [s]")
    parser.add_argument("--registry", default=REGISTRY, help="list of archives (a mirror's, say)")
    args = parser.parse_args(arguments)
    return command(lambda: _run(args))


def _run(args):
    """Fetch what the command line asks for; give the exit status."""
    settings = FetchSettings(in_flight=args.in_flight, per_second=args.per_second,
                             attempts=args.attempts, timeout_s=args.timeout)
    missing = fetch_profile(Paths(args.profile), args.spectra, Fetcher(settings, read_token()),
                            args.registry)
    if missing:
        print(f"{missing:,} files are still missing or wrong", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
