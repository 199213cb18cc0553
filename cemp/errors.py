"""Errors that a user can mend: each message names the file and says what to do."""


class CempError(Exception):
    """Base of all errors this package raises on bad input."""


class BadInputError(CempError):
    """A file, table or parameter cannot be used; the message says which and what to do."""


class NotLowResolutionError(BadInputError):
    """The file is a LAMOST medium-resolution (MRS) product; this paper uses LRS only."""
