"""Where objects land: a folder or S3, behind one small interface.

The content of a key never changes: `put` of an existing key does nothing, and an object
becomes visible completely or not at all. If the content of an object does not match its
key, something else changed it; `put` replaces it only on request.

`store` is the interface, `folder` and `s3` are the two kinds of landing, and `ledger`
records which hours have landed. `snowflake_setup`, `doctor` and dbt read both.
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
