"""Where every stage finds and leaves its files: one folder a profile under ``build/``."""

from dataclasses import dataclass
from pathlib import Path

from cemp.errors import BadInputError

#: The repository: the folder that holds ``cemp/``.
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Paths:
    """Files and folders of one profile.

    Parameters
    ----------
    profile : str
        Name of the profile: a file ``notebooks/profiles/<profile>.yaml``.
    root : pathlib.Path
        The repository.
    """

    profile: str = "demo"
    root: Path = ROOT

    def __post_init__(self):
        if self.parameters.is_dir():
            raise BadInputError(f"{self.parameters} is a folder, not a profile: remove it or name "
                                "another profile")
        if not self.parameters.is_file():
            raise BadInputError(
                f"no profile '{self.profile}': notebooks/profiles/{self.profile}.yaml does not "
                "exist; use one of the files there or write a new one"
            )

    @property
    def parameters(self):
        """The profile's file; one that a run itself made (a seed's) lies in its build folder."""
        made = self.build / "profile.yaml"
        return made if made.is_file() else (
            self.root / "notebooks" / "profiles" / f"{self.profile}.yaml"
        )

    @property
    def build(self):
        """Folder of everything this profile computes."""
        return self.root / "build" / self.profile

    def stage(self, number):
        """Folder of one notebook's products, made if need be (``stage("02")``)."""
        folder = self.build / number
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def survey(self):
        """The mock survey, in the surveys' own formats."""
        return self.build / "survey"

    @property
    def truth(self):
        """What the mock survey was made from; no method and no reader looks here."""
        return self.build / "truth"

    def published(self, kind):
        """Folder of what the paper uses: ``figures``, ``values`` or ``tables``.

        The demo profile writes into the repository, so that a fresh clone holds the paper's
        figures and numbers; any other profile writes beside its own products.
        """
        top = self.root if self.profile == "demo" else self.build
        folder = top / "figures" if kind == "figures" else top / "paper" / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def resolve(self, path):
        """Read a path of a profile: relative ones count from the repository."""
        path = Path(path).expanduser()
        return path if path.is_absolute() else self.root / path
