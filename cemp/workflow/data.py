"""Fetch what a profile needs from the archives: ``make data PROFILE=dr11``."""

import argparse
import sys
import time

import pyarrow.parquet as pq

from cemp.archives.catalogues import fetch_cds, fetch_file
from cemp.archives.failures import ArchiveError
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
from cemp.duration import duration
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.profile import read_profile

#: Folds of notebook 01 that a choice of spectra means; the labelled ones come first.
FOLDS = {"none": (), "labelled": ("train", "validation", "test"),
         "all": ("train", "validation", "test", "search")}


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
        Files that are still missing.
    """
    missing = 0
    for file in wanted:
        try:
            say(f"  {_fetch_catalogue(file, fetcher):8} {file.path}")
        except BadInputError as error:
            missing += 1
            say(f"  MISSING  {file.path}: {error}")
    return missing


def _fetch_catalogue(file, fetcher):
    """Have one file, and say how it came."""
    source = file.source
    if file.made:
        return "mock"
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
        source.url, file.path, fetcher, source.token, source.content) else "kept"


def wanted_spectra(observations, which):
    """List the spectra of a choice, a part of the table at a time.

    Parameters
    ----------
    observations : pathlib.Path
        ``01/observations.parquet``.
    which : str
        Key of `FOLDS`.

    Yields
    ------
    obsid : int
    path : str
        Below the folder of spectra; the labelled ones first.
    """
    labelled = FOLDS["labelled"]
    for folds in (labelled, tuple(f for f in FOLDS[which] if f not in labelled)):
        if not set(folds) & set(FOLDS[which]):
            continue
        parts = pq.ParquetFile(observations).iter_batches(
            200_000, columns=["obsid", "path", "fold"])
        for part in parts:
            for row in zip(*(part.column(i).to_pylist() for i in range(3)), strict=True):
                if row[2] in folds:
                    yield row[0], row[1]


def count_spectra(observations, which):
    """Count the spectra of a choice.

    Parameters
    ----------
    observations : pathlib.Path
    which : str

    Returns
    -------
    int
    """
    folds = pq.read_table(observations, columns=["fold"])["fold"].value_counts().to_pylist()
    return sum(entry["counts"] for entry in folds if entry["values"] in FOLDS[which])


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
    sections = read_profile(paths)
    sources, source = read_registry(registry)
    wanted = wanted_files(paths, sections.get(CATALOGUES, {}), sources)
    say(f"Catalogues of profile {paths.profile}:")
    missing = fetch_catalogues(wanted, fetcher, say)
    if which == "none" or (wanted and all(file.made for file in wanted)):
        return missing
    observations = paths.build / "01" / "observations.parquet"
    if not observations.is_file():
        say("Spectra: which ones is known after the crossmatch; run\n"
            f"  make {observations.relative_to(paths.root)} PROFILE={paths.profile}\n"
            "and then this again")
        return missing
    folder = paths.resolve(sections.get(SPECTRA, {}).get("spectra_dir", "data/spectra"))
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
    try:
        settings = FetchSettings(in_flight=args.in_flight, per_second=args.per_second,
                                 attempts=args.attempts, timeout_s=args.timeout)
        missing = fetch_profile(Paths(args.profile), args.spectra,
                                Fetcher(settings, read_token()), args.registry)
    except KeyboardInterrupt:
        print("stopped; run again to go on: what came is kept", file=sys.stderr)
        return 130
    except (ArchiveError, BadInputError) as error:
        print(error, file=sys.stderr)
        return 1
    if missing:
        print(f"{missing:,} files are still missing", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
