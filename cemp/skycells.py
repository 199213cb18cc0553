"""Pairs of neighbours in two long lists of positions, through small cells of space.

A tree of ten million positions takes longer to grow than the whole match should. Here the unit
vectors fall into cubes a few radii wide; rows of the long list whose cube no ball of the short list
touches are put aside at once by a bitmap, and the few that stay are joined by the number of their
cube. Cubes know neither poles nor a zero of right ascension. Long lists are cut into slices that
all cores work on: numpy lets other threads run meanwhile, and the slices keep their order.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

#: Rows of the long list that are looked at together: their arrays stay in the processor's cache.
SLICE = 1 << 18
#: Bits of a slot's number before it is cut to the size of a bitmap.
BITS = 26
#: 2^64 / golden ratio: spreads neighbouring numbers over the slots.
MIX = np.uint64(0x9E3779B97F4A7C15)
#: Threads: the cores that this process may use; more than a few would wait for the memory.
CORES = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1, 4)  # fmt: skip
_HALF = 1 << 20  # cubes of at least 2e-6 rad: 20 bits and a sign an axis


def in_slices(do, n, step=SLICE):
    """Work on slices of a long list, on all cores.

    Parameters
    ----------
    do : callable
        Takes a `slice`; what it returns must not depend on the other slices.
    n : int
        Rows.
    step : int
        Rows a slice.

    Returns
    -------
    list
        What `do` returned, in the order of the slices; the same for any number of cores.
    """
    slices = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if min(len(slices), CORES) < 2:
        return [do(rows) for rows in slices]
    with ThreadPoolExecutor(CORES) as pool:
        return list(pool.map(do, slices))


def order_of(keys):
    """Find the order of long lists of numbers, as ``argsort(kind="stable")`` does.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)

    Notes
    -----
    numpy sorts numbers several times faster than the places of numbers. So the upper bits of each
    key share 64 bits with its place, both are sorted as one number, and the few neighbours that
    differ in their lower bits only are put right afterwards.
    """
    n = len(keys)
    bits = np.uint64(max(n - 1, 1).bit_length())
    packed = np.empty(n, np.uint64)

    def pack(rows):
        packed[rows] = (keys[rows] >> bits << bits) | np.arange(rows.start, rows.stop,
                                                                 dtype=np.uint64)
        packed[rows].sort()

    in_slices(pack, n, max(-(-n // CORES), SLICE))
    packed.sort(kind="stable")  # merges sorted stretches
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    found = keys[order]
    alike = packed[1:] == packed[:-1]
    wrong = alike & (found[1:] != found[:-1])
    if wrong.any():
        run = np.concatenate([[0], np.cumsum(~alike)])
        mixed = np.zeros(run[-1] + 1, bool)
        mixed[run[1:][wrong]] = True
        rows = np.flatnonzero(mixed[run])
        order[rows] = order[rows][np.lexsort((found[rows], run[rows]))]
    return order


def _key(cubes):
    """Give cubes their numbers, from their integer coordinates (n, 3)."""
    x, y, z = (cubes + _HALF).T
    return (x << 42) | (y << 21) | z


#: What a step to the next cube adds to its number, by axis.
_STEPS = np.array([1 << 42, 1 << 21, 1])


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

    def holds(self, slots):
        """Tell which slots are marked."""
        return self._marked[slots >> self._shift]

    def rows(self, slots):
        """Find the rows whose slot is marked, in slices: no second long array is needed."""
        parts = in_slices(lambda rows: np.flatnonzero(self.holds(slots[rows])) + rows.start,
                          len(slots))
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _cubes(points, cell):
    """Give the numbers of the cubes that points lie in."""
    return _key(np.floor(points / cell).astype(np.int64))


class _Balls:
    """Balls, in the order of the cube at their lowest corner: neighbours stand together.

    Parameters
    ----------
    vectors : ndarray, shape (m, 3)
    reach : ndarray, shape (m,)
        At most half of `cell`, so that a ball touches two cubes an axis at most.
    cell : float
    """

    def __init__(self, vectors, reach, cell):
        low = np.floor((vectors - reach[:, None]) / cell).astype(np.int64)
        over = np.floor((vectors + reach[:, None]) / cell).astype(np.int64) > low
        key = _key(low)
        self.row = order_of(key.astype(np.uint64))
        self.key, self.over = key[self.row], over[self.row]
        self.vectors, self.reach = vectors[self.row], reach[self.row]

    def touched(self, rows):
        """Yield, up to eight times, balls of a slice and the number of a cube each touches."""
        key, over = self.key[rows], self.over[rows]
        for corner in range(8):
            axes = [k for k in range(3) if corner >> k & 1]
            ball = np.flatnonzero(over[:, axes].all(axis=1))
            yield ball + rows.start, key[ball] + _STEPS[axes].sum()


class Points:
    """A long list of positions, its cubes remembered from one search to the next.

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        Unit vectors.
    """

    def __init__(self, vectors):
        self.vectors = vectors
        self._known = None, None

    def __len__(self):
        return len(self.vectors)

    def _slots_of(self, cell):
        """Slots of all points, made once for a size of the cubes."""
        known, slots = self._known
        if cell != known:
            slots = np.empty(len(self), np.int32)

            def fill(rows):
                slots[rows] = _slot(_cubes(self.vectors[rows], cell))

            in_slices(fill, len(self))
            self._known = cell, slots
        return slots

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
        return self._near(_Balls(vectors, reach, cell), cell)

    def _near(self, balls, cell):
        bitmap = Bitmap(len(balls.key))

        def mark(rows):
            for _, keys in balls.touched(rows):
                bitmap.mark(_slot(keys))

        in_slices(mark, len(balls.key))
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
                i, j = self._join(vectors[rows], reach[rows], cell)
                found.append((i, rows[j]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        i, j = (np.concatenate(side) for side in zip(*found, strict=True))
        return i, j

    def _join(self, vectors, reach, cell):
        """Find the pairs of balls of one class of sizes."""
        balls = _Balls(vectors, reach, cell)
        few = self._near(balls, cell)
        cubes = _cubes(self.vectors[few], cell)
        order = order_of(cubes.astype(np.uint64))
        few, cubes = few[order], cubes[order]
        start = np.flatnonzero(np.diff(cubes, prepend=-1))
        cubes, start = cubes[start], np.append(start, few.size)
        bitmap = Bitmap(cubes.size)  # most balls touch no cube that still holds something
        bitmap.mark(_slot(cubes))

        def join(rows):
            pairs = []
            for ball, keys in balls.touched(rows):
                hit = bitmap.holds(_slot(keys))
                ball, keys = ball[hit], keys[hit]
                place = np.searchsorted(cubes, keys)
                hit = cubes[np.minimum(place, cubes.size - 1)] == keys
                ball, place = ball[hit], place[hit]
                count = start[place + 1] - start[place]
                left = np.repeat(start[place] - np.cumsum(count) + count, count)
                left = few[left + np.arange(left.size)]
                pairs.append(_within(self.vectors, left, balls, np.repeat(ball, count)))
            return [np.concatenate(side) for side in zip(*pairs, strict=True)]

        parts = in_slices(join, len(balls.key) if few.size else 0, SLICE >> 2)
        i, j = (np.concatenate(side) for side in zip(*parts, strict=True)) if parts else (few, few)
        return i, balls.row[j]


def _within(points, i, balls, j):
    """Keep the pairs whose chord does not exceed the reach, rounding allowed for."""
    chord = ((points[i] - balls.vectors[j]) ** 2).sum(axis=1)
    keep = chord <= (balls.reach[j] * (1 + 1e-9)) ** 2 + 1e-30
    return i[keep], j[keep]
