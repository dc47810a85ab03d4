"""PURE: positions in arrays, without the cost of numpy's conveniences: ticks ask many times."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def where(mask: NDArray[np.bool_]) -> Rows:
    """The positions that are True, ascending."""
    return mask.nonzero()[0]


def those(mask: NDArray[np.bool_]) -> Rows | slice:
    """The positions that are True as an index; where all are, nothing need be copied by it."""
    return slice(None) if mask.all() else mask.nonzero()[0]


def starts(ordered: NDArray[np.int64]) -> Rows:
    """Where each run of equal values begins."""
    change = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=change[1:])
    return change.nonzero()[0]


def lengths(begins: Rows, total: int) -> Rows:
    """Of the runs that `starts` gave, in an array of `total`."""
    ends = np.empty_like(begins)
    ends[:-1] = begins[1:]
    ends[-1:] = total
    return ends - begins
