"""How an archive is asked: how often, how many at a time, how patiently."""

from dataclasses import dataclass

from cemp.errors import BadInputError


@dataclass(frozen=True)
class FetchSettings:
    """Manners and patience of the downloads.

    Parameters
    ----------
    in_flight : int
        Spectra asked for at the same time.
    per_second : float
        Requests a second, all together, at most.
    attempts : int
        Times that a file is asked for before it is given up.
    first_wait_s, longest_wait_s : float
        Pause after the first failure; it doubles with each further one, up to the longest [s].
    timeout_s : float
        Longest silence of the archive [s].
    spare_bytes : float
        Disk that is left free.
    give_up_after : int
        Spectra in a row that may fail before the archive is taken to be down.
    """

    # an archive without a stated limit is asked no faster than a diligent person with four tabs
    in_flight: int = 4
    per_second: float = 2.0
    # 2 + 4 + 8 + 16 s: a restart of the server is outlived, an outage is not waited for
    attempts: int = 5
    first_wait_s: float = 2.0
    # a Retry-After beyond it means "come back another day", and the run says so instead of waiting
    longest_wait_s: float = 300.0
    timeout_s: float = 60.0
    # a disk filled to the last byte stops everything else on the machine
    spare_bytes: float = 200e6
    give_up_after: int = 20

    def __post_init__(self):
        positive = ("in_flight", "per_second", "attempts", "timeout_s", "give_up_after")
        wrong = [name for name in positive if not 0 < getattr(self, name) < 1e6]
        if wrong:
            raise BadInputError(f"{', '.join(wrong)} must be above zero, and below "
                                "a million: correct the command line")
        if self.in_flight > 16 or self.per_second > 20:
            raise BadInputError(
                "no more than 16 spectra at a time and 20 requests a second: archives lock out "
                "those who ask faster; lower --in-flight or --per-second"
            )
