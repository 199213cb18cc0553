"""One inspector at work: where they are, what they decided, and the way back."""

import datetime

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.inspect.decisions import CHOICES, plain, read_decisions, record


def now():
    """Give the time in the file's form, UTC to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Session:
    """An inspector's way through a list of spectra.

    Parameters
    ----------
    stars : pandas.DataFrame
        obsid and designation, in the order to be looked at.
    path : str or pathlib.Path
        File of decisions.
    inspector : str
        Who decides.
    clock : callable
        Gives the date of a decision.

    Attributes
    ----------
    position : int
        Place in `stars`; at first the next spectrum without a decision after the inspector's
        latest one.
    decisions : pandas.DataFrame
        The inspector's own, by obsid.

    Raises
    ------
    BadInputError
        If there is nothing to inspect, the inspector has no name, or the file is not right.
    """

    def __init__(self, stars, path, inspector, clock=now):
        if not len(stars):
            raise BadInputError("no candidates to inspect: run notebook 05, or select fewer cuts")
        self.inspector = plain(inspector)
        if not self.inspector:
            raise BadInputError("set `inspector` to your name: every decision bears one")
        self.obsid = stars["obsid"].to_numpy(np.int64)
        self.designation = stars["designation"].tolist()
        self.path, self.clock = path, clock
        self.drafts, self._undo = {}, []
        self._keep(read_decisions(path))
        self.position = self._resume()

    def _keep(self, table):
        """Take one's own decisions, about the stars at hand, out of the file's."""
        own = table[table["inspector"] == self.inspector].set_index("obsid")
        names = pd.Series(self.designation, index=self.obsid)
        self.decisions = own[own["designation"] == names.reindex(own.index)]

    def _resume(self):
        own = self.decisions
        if own.empty:
            return 0
        latest = own.index[own["date"] == own["date"].max()]
        return self._next(int(np.flatnonzero(np.isin(self.obsid, latest)).max()))

    def _next(self, place):
        """Find the next undecided place after another, going round; itself if there is none."""
        places = (place + 1 + np.arange(len(self.obsid))) % len(self.obsid)
        free = places[~np.isin(self.obsid[places], self.decisions.index)]
        return int(free[0]) if len(free) else place

    @property
    def current(self):
        """Spectrum that is looked at (int)."""
        return int(self.obsid[self.position])

    @property
    def decision(self):
        """What was decided about it, "" if nothing."""
        return self._field("decision")

    @property
    def note(self):
        """Its note: the one being written, or the file's."""
        return self.drafts.get(self.current, self._field("note"))

    def _field(self, name):
        known = self.current in self.decisions.index
        return str(self.decisions.at[self.current, name]) if known else ""

    def progress(self):
        """Count one's own decisions.

        Returns
        -------
        dict of str to int
            total, decided, and each of `CHOICES`.
        """
        counts = self.decisions["decision"].value_counts()
        return {"total": len(self.obsid), "decided": len(self.decisions)} | {
            choice: int(counts.get(choice, 0)) for choice in CHOICES}

    def draft(self, note):
        """Keep a note that belongs to no decision yet; it goes into the file with one."""
        if plain(note) != self._field("note"):
            self.drafts[self.current] = plain(note)
        else:
            self.drafts.pop(self.current, None)

    def decide(self, choice, note=None):
        """Write a decision about the current spectrum, then go to the next undecided one.

        Parameters
        ----------
        choice : {"accept", "reject", "unsure"}
        note : str, optional
            The note as it stands; what was written before is kept if left out.

        Raises
        ------
        BadInputError
            If it could not be written; nothing has then changed.
        """
        if choice not in CHOICES:
            raise BadInputError(f"decision '{choice}' is not one of {', '.join(CHOICES)}")
        self._write(choice, self.note if note is None else note)
        self.position = self._next(self.position)

    def annotate(self, note):
        """Write a note to a decision that has been made; else keep it until one is."""
        self.draft(note)
        if self.decision and self.current in self.drafts:
            self._write(self.decision, note)

    def _write(self, choice, note):
        obsid = self.current
        before = self.decisions.loc[obsid].to_dict() if obsid in self.decisions.index else None
        row = {"designation": self.designation[self.position], "decision": choice,
               "note": plain(note), "date": self.clock()}
        self._keep(record(self.path, obsid, self.inspector, row))
        self._undo.append((self.position, before))
        self.drafts.pop(obsid, None)

    def move(self, step):
        """Turn pages; the list has ends.

        Parameters
        ----------
        step : int
        """
        self.position = int(np.clip(self.position + step, 0, len(self.obsid) - 1))

    def undo(self):
        """Take back this session's latest decision or note, and go to its page.

        Returns
        -------
        bool
            False if there is nothing left to take back.
        """
        if not self._undo:
            return False
        place, before = self._undo[-1]
        if before is not None:
            before = {k: before[k] for k in ("designation", "decision", "note", "date")}
        self._keep(record(self.path, int(self.obsid[place]), self.inspector, before))
        self._undo.pop()
        self.position = place
        return True
