"""Where objects land: a folder or S3, behind one small interface.

A key never changes content: `put` of a key that is there already does nothing, and an
object becomes visible whole or not at all. An object whose content is not what was put
was changed by something else; `put` replaces it only if told to.

`store` says what a landing is, `folder` and `s3` are the two kinds, and `ledger` is its
record of which hours have landed. `snowflake_setup`, `doctor` and dbt read both.
"""

from pathlib import Path

from ingest.landing.folder import FolderLanding
from ingest.landing.s3 import S3Landing
from ingest.landing.store import (
    DamagedObject,
    LandedObject,
    Landing,
    LandingError,
    Place,
    Version,
)

__all__ = [
    "DamagedObject",
    "FolderLanding",
    "LandedObject",
    "Landing",
    "LandingError",
    "Place",
    "S3Landing",
    "Version",
    "open_landing",
]


def open_landing(settings: Place) -> Landing:
    """The landing that the settings name. Raises LandingError if it cannot be used."""
    if settings.landing.startswith("s3://"):
        return S3Landing(settings)
    return FolderLanding(Path(settings.landing))
