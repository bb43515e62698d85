"""Install dbt's packages, or a stand-in where dbt's package hub cannot be reached.

The real package always wins: while the stand-in is in place, a call tries again once a
day. dbt checks no hash of what it downloads, so it is done here: what runs with the
warehouse's credentials is what was reviewed.
"""

import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import requests

INSTALLED = Path("dbt/dbt_packages")
STAND_IN = Path("sandbox/dbt_utils")
MARK = "stand-in"

# Of the files of dbt_utils 1.4.1: python -m runner.dbt_packages FOLDER prints it.
REVIEWED = "c34bd06d024fcc67edd0ace49d1a8341b0ee9a87c4ba4485689725e1183d174e"

HUB = "https://hub.getdbt.com/api/v1/dbt-labs/dbt_utils.json"
HUB_SECONDS = 5
INSTALL_SECONDS = 60
DAY_SECONDS = 24 * 3600


def main() -> None:
    if len(sys.argv) > 1:
        print(hash_of(Path(sys.argv[1])))
        return
    package = INSTALLED / STAND_IN.name
    mark = package / MARK
    if mark.exists() and time.time() - mark.stat().st_mtime < DAY_SECONDS:
        return
    if package.exists() and not mark.exists() and hash_of(package) == REVIEWED:
        return
    reason = "dbt's package hub cannot be reached"
    if _hub_answers() and _install():
        if hash_of(package) == REVIEWED:
            return
        reason = (
            "The files of dbt_utils from dbt's package hub are not those that were"
            " reviewed (REVIEWED in runner/dbt_packages.py)"
        )
    shutil.rmtree(INSTALLED, ignore_errors=True)
    shutil.copytree(STAND_IN, package)
    mark.touch()
    print(f"{reason}: {STAND_IN} stands in for dbt_utils")


def hash_of(package: Path) -> str:
    """A SHA-256 of the names and contents of all files of a package."""
    whole = sha256()
    for file in sorted(package.rglob("*")):
        if file.is_file():
            name = file.relative_to(package).as_posix()
            whole.update(f"{name} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def _hub_answers() -> bool:
    try:
        return requests.head(HUB, timeout=HUB_SECONDS).ok
    except requests.RequestException:
        return False


def _install() -> bool:
    try:
        subprocess.run(
            [Path(sys.executable).with_name("dbt"), "--quiet", "deps"],
            timeout=INSTALL_SECONDS,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


if __name__ == "__main__":
    main()
