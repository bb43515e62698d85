"""`python -m runner.summary`: the result of a run, for its page and for a chat.

In GitHub Actions the lines go to the page of the run too, and to WEBHOOK_URL if that is
set and a job failed: LANDING_RESULT and MODEL_RESULT hold the results of the jobs.
"""

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dotenv import load_dotenv

from ingest.logs import redact
from ingest.settings import SettingsError
from ingest.summary import add_to_run_page
from runner.webhook import post
from snowflake_setup.settings import CloudSettings

RESULTS = Path("dbt/target/run_results.json")
BAD = ("error", "fail", "runtime error", "warn")
# GitHub takes 1 MiB of a step's summary, and few people read more lines than this.
MOST_FAILURES = 50
LONGEST_MESSAGE = 500

ADVICE = {
    "LANDING_RESULT": "the job Land: some hours are missing. Its log says which and"
    " why; the next run fetches them, or start one with start and end.",
    "MODEL_RESULT": "the job Model: the step that failed says why in its log.",
}


def main() -> int:
    load_dotenv(".env")
    try:
        secrets = CloudSettings.read(os.environ).secrets
    except SettingsError as error:
        print(f"summary: {error}", file=sys.stderr)
        return 2
    try:
        lines = [redact(line, secrets) for line in build_summary()]
    except (OSError, ValueError, KeyError):
        lines = ["### dbt", "", "dbt did not run: the steps before it say why."]
    failed = [
        f"- **{result}** {advice}"
        for name, advice in ADVICE.items()
        if (result := os.environ.get(name) or "success") != "success"
    ]
    lines += failed
    print(*lines, sep="\n")
    with contextlib.suppress(OSError):
        add_to_run_page("\n".join(lines) + "\n\n")
    webhook = os.environ.get("WEBHOOK_URL")
    if webhook and failed:
        return post([*lines, os.environ.get("RUN_URL", "")], webhook)
    return 0


def build_summary(file: Path = RESULTS) -> Iterator[str]:
    """Lines of Markdown. Raises OSError or ValueError if there are no results."""
    content = json.loads(file.read_text(encoding="utf-8"))
    results: list[dict[str, Any]] = content["results"]
    counts = Counter(result["status"] for result in results)
    yield "### dbt"
    yield ""
    yield (
        f"{len(results)} nodes in {content['elapsed_time']:.0f} s:"
        f" {', '.join(f'{n} {status}' for status, n in sorted(counts.items()))}"
    )
    bad = [result for result in results if result["status"] in BAD]
    if bad:
        yield ""
    for result in bad[:MOST_FAILURES]:
        message = " ".join((result.get("message") or "").split())[:LONGEST_MESSAGE]
        yield f"- **{result['status']}** `{result['unique_id']}`: {message}"
    if len(bad) > MOST_FAILURES:
        yield f"- and {len(bad) - MOST_FAILURES} more: see the logs"


if __name__ == "__main__":
    sys.exit(main())
