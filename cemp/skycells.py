"""Pairs of neighbours in two long lists of positions, through small cells of space.

A tree of ten million positions takes longer to grow than the whole match should. Here the unit
vectors fall into cubes a few radii wide; rows of the long list whose cube no ball of the short list
touches are put aside at once by a bitmap, and the few that stay are joined by the number of their
cube. Cubes know neither poles nor a zero of right ascension.
"""

import numpy as np

#: Rows of the long list that are looked at together: their arrays stay in the processor's cache.
SLICE = 1 << 18
#: Bits of a slot's number before it is cut to the size of a bitmap.
BITS = 26
#: 2^64 / golden ratio: spreads neighbouring numbers over the slots.
MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = 1 << 20  # cubes of at least 2e-6 rad: 20 bits and a sign an axis


def _key(x, y, z):
    """Give a cube its number, from its integer coordinates."""
    return ((x + _HALF) << 42) | ((y + _HALF) << 21) | (z + _HALF)


def _slot(key):
    """Give the place of a cube in the bitmap."""
    return ((key.astype(np.uint64) * MIX) >> np.uint64(64 - BITS)).astype(np.int32)


class Bitmap:
    """Which cubes hold something; two may share a slot, which costs time only.

    Parameters
    ----------
    n : int
        Cubes to be marked; there are over 100 slots for each, at most 64 MB.
    """

    def __init__(self, n):
        bits = int(np.clip(np.ceil(np.log2(128 * n + 1)), 12, BITS))
        self._shift = np.int32(BITS - bits)
        self._marked = np.zeros(1 << bits, bool)

    def mark(self, slots):
        """Mark slots."""
        self._marked[slots >> self._shift] = True

    def rows(self, slots):
        """Find the rows whose slot is marked, in slices: no second long array is needed."""
        parts = [np.flatnonzero(self._marked[slots[start : start + SLICE] >> self._shift]) + start
                 for start in range(0, len(slots), SLICE)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _cubes(points, cell):
    """Give the numbers of the cubes that points lie in."""
    x, y, z = np.floor(points / cell).astype(np.int64).T
    return _key(x, y, z)


def _touched(points, reach, cell):
    """Yield, eight times, the cubes at the corners of the cube around each ball."""
    low = np.floor((points - reach[:, None]) / cell).astype(np.int64)
    high = np.floor((points + reach[:, None]) / cell).astype(np.int64)
    for corner in range(8):
        x, y, z = ((high if corner >> k & 1 else low)[:, k] for k in range(3))
        yield _key(x, y, z)


class Points:
    """A long list of positions, its cubes remembered from one search to the next.

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        Unit vectors.
    """

    def __init__(self, vectors):
        self.vectors = vectors
        self._cell, self._slots = None, None

    def __len__(self):
        return len(self.vectors)

    def _slots_of(self, cell):
        """Slots of all points, made once for a size of the cubes."""
        if cell != self._cell:
            self._slots = np.empty(len(self), np.int32)
            for start in range(0, len(self), SLICE):
                part = self.vectors[start : start + SLICE]
                self._slots[start : start + SLICE] = _slot(_cubes(part, cell))
            self._cell = cell
        return self._slots

    def near(self, vectors, reach, cell):
        """Find rows that may lie in a ball; all that do are among them.

        Parameters
        ----------
        vectors : ndarray, shape (m, 3)
            Centres of the balls.
        reach : ndarray, shape (m,)
            Their radii, as chords; at most half of `cell`.
        cell : float
            Edge of the cubes, as a chord.

        Returns
        -------
        ndarray of int
            Rows of this list, ascending.
        """
        bitmap = Bitmap(len(vectors))
        for keys in _touched(vectors, reach, cell):
            bitmap.mark(_slot(keys))
        return bitmap.rows(self._slots_of(cell))

    def pairs(self, vectors, reach, usual):
        """Find all pairs of a row here and a ball it lies in.

        Parameters
        ----------
        vectors : ndarray, shape (m, 3)
            Centres of the balls.
        reach : ndarray, shape (m,)
            Their radii, as chords.
        usual : float
            Radius that most balls do not exceed; the larger ones are dealt with apart.

        Returns
        -------
        i, j : ndarray of int64
            Row here and ball, each pair once, in no order. A pair whose distance equals the
            radius to within rounding may be among them or not.
        """
        found = []
        for rows in (np.flatnonzero(reach <= usual), np.flatnonzero(reach > usual)):
            if rows.size and len(self):
                cell = 2 * max(usual, float(reach[rows].max()))
                found.append(self._join(vectors[rows], reach[rows], rows, cell))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        i, j = (np.concatenate(side) for side in zip(*found, strict=True))
        return i, j

    def _join(self, vectors, reach, rows, cell):
        """Find the pairs of balls of one class of sizes."""
        few = self.near(vectors, reach, cell)
        cubes = _cubes(self.vectors[few], cell)
        order = np.argsort(cubes)
        few, cubes = few[order], cubes[order]
        bitmap = Bitmap(few.size)  # most balls touch no cube that still holds something
        bitmap.mark(_slot(cubes))
        pairs = []
        for keys in _touched(vectors, reach, cell):
            hit = bitmap.rows(_slot(keys))
            low = np.searchsorted(cubes, keys[hit], "left")
            count = np.searchsorted(cubes, keys[hit], "right") - low
            ball = np.repeat(hit, count)
            step = np.arange(ball.size) - np.repeat(np.cumsum(count) - count, count)
            pairs.append(_within(self.vectors, few[np.repeat(low, count) + step], vectors, ball,
                                 reach))
        i, j = (np.concatenate(side) for side in zip(*pairs, strict=True))
        both = np.unique(j * np.int64(max(len(self), 1)) + i)  # a ball may touch a cube twice
        return both % len(self), rows[both // len(self)]


def _within(left, i, right, j, reach):
    """Keep the pairs whose chord does not exceed the reach, rounding allowed for."""
    chord = ((left[i] - right[j]) ** 2).sum(axis=1)
    keep = chord <= (reach[j] * (1 + 1e-9)) ** 2 + 1e-30
    return i[keep].astype(np.int64), j[keep].astype(np.int64)
