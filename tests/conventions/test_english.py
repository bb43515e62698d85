"""What people read is plain English: words that made the text hard to read stay out."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
KINDS = (".py", ".sql", ".yml", ".md", ".js", ".html", "Makefile", ".example")
# What the test itself, licenses and locked packages say is theirs.
NOT_OURS = ("test_english.py", "LICENSE", "requirements", "sandbox/dbt_utils/")

# Each word, and what to write instead.
AVOIDED = {
    r"anew": "again, or rebuild and reprocess",
    r"whoever": "the user who, anyone who",
    r"somebody": "someone, another user",
    r"thereby": "so",
    r"mend(s|ed|ing)?": "fix",
    r"went through": "succeeded",
    r"one's own people": "internal users",
    r"(?<!there )is no(?= (?!longer|more|need)[a-z]+)": "is not a",
    r"(is|are|was) told": "the actor and what it says",
    r"any more": "now, or leave it out",
    r"everybody": "everyone, all users",
    r"kinds? of events?": "event type",
    r"with (a )?commas? between": "separated by commas",
    r"(is|are|was|were) looked at": "checked, searched, read",
    r"Beside Amplitude": "Differences from Amplitude",
}


def texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [
        REPOSITORY / name
        for name in listed
        if name.endswith(KINDS) and not any(part in name for part in NOT_OURS)
    ]


@pytest.mark.parametrize("word", AVOIDED)
def test_words_that_are_hard_to_read_are_avoided(word):
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in texts()
        if path.exists()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, f"write {AVOIDED[word]}: " + "\n".join(found)
