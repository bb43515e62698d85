"""Says what a run came to: a line, and what failed, for the run's page and a chat."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

RESULTS = Path("dbt/target/run_results.json")
BAD = ("error", "fail", "runtime error", "warn")
# GitHub takes 1 MiB of a step's summary, and few people read more lines than this.
MOST_FAILURES = 50
LONGEST_MESSAGE = 500


def send(lines: Sequence[str], url: str, run_url: str = "") -> None:
    """Post the lines to a webhook that takes Slack's format, {"text": "…"}.

    Raises requests.RequestException; its text may hold the URL, which is a secret.
    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    text = "\n".join(line for line in [*lines, run_url] if line)
    answer = requests.post(url, json={"text": text}, timeout=30)
    answer.raise_for_status()


def build_summary(file: Path = RESULTS) -> Iterator[str]:
    """Lines of Markdown. Raises OSError or ValueError if there are no results."""
    told = json.loads(file.read_text(encoding="utf-8"))
    results: list[dict[str, Any]] = told["results"]
    counts = Counter(result["status"] for result in results)
    yield "### dbt"
    yield ""
    yield (
        f"{len(results)} nodes in {told['elapsed_time']:.0f} s:"
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
