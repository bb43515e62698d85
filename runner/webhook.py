"""Messages to a webhook that takes Slack's format, {"text": "…"}.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import sys
from collections.abc import Sequence

import requests


def post(lines: Sequence[str], url: str) -> int:
    """Post the lines; returns the exit code: 0, or 1 if the webhook rejects them.

    The URL is a secret, so no message contains it.
    """
    text = "\n".join(line for line in lines if line)
    try:
        answer = requests.post(url, json={"text": text}, timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        reason = type(error).__name__
        if error.response is not None:
            reason = f"HTTP {error.response.status_code}"
        print(f"the webhook rejected the message: {reason}", file=sys.stderr)
        return 1
    return 0
