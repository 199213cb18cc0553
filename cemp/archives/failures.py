"""What can go wrong between an archive and the disk, each with a kind for reports."""

from cemp.errors import BadInputError


class ArchiveError(BadInputError):
    """A file could not be had; the message names it and says what to do.

    Attributes
    ----------
    kind : str
        Class of reasons, for tables of failures.
    ends_run : bool
        Whether asking for further files is pointless or impolite.
    """

    kind = "failed"
    ends_run = False


class TokenError(ArchiveError):
    """The archive wants a token, or does not accept the one it was given."""

    kind = "token refused"
    ends_run = True


class NotInArchiveError(ArchiveError):
    """The archive has no such file."""

    kind = "not in the archive"


class WebPageError(ArchiveError):
    """The archive answered with a web page: a login form, or a notice."""

    kind = "web page"


class WrongFileError(ArchiveError):
    """What came is damaged, or another file than the one asked for."""

    kind = "wrong file"


class UnavailableError(ArchiveError):
    """The archive failed, hung or cut the connection as often as it was asked."""

    kind = "archive failed"


class DiskError(ArchiveError):
    """The file cannot be written."""

    kind = "disk"
    ends_run = True
