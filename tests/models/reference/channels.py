"""Which channel a source is, by the seeds and the rules of the settings."""

import json
import re
from functools import cache
from typing import Any

from .staged import seed

COUNTRY = r"\.(com?\.[a-z]{2}|com?|[a-z]{2})"


@cache
def rows(name: str) -> list[dict[str, str]]:
    return seed(name)


@cache
def patterns(added: str) -> list[tuple[re.Pattern, dict[str, str]]]:
    """What a host of each source looks like; its domain is named.

    `added` are the sources of the settings, as JSON.
    """
    sources = {row["source"]: row for row in rows("channel_sources")}
    sources |= {row["source"]: row for row in json.loads(added)}
    found = []
    for row in sources.values():
        name = re.escape(row["source"]).replace(r"\.\*", COUNTRY)
        has_subdomains = row.get("includes_subdomains") in (True, "true")
        subdomain = r"(.*\.)?" if has_subdomains else ""
        found.append((re.compile(f"{subdomain}(?P<domain>{name})"), row))
    return found


@cache
def category(host: str, added: str) -> str | None:
    """The category of the longest known domain that the host is in."""
    found = []
    for pattern, row in patterns(added):
        match = pattern.fullmatch(host)
        if match:
            length = len(match["domain"])
            found.append((length, "*" not in row["source"], row["category"]))
    return max(found)[-1] if found else None


def channel(source: dict[str, Any], settings: dict) -> str:
    click_id = {
        row["parameter"]: row
        for row in rows("channel_click_ids")
        if row["parameter"] == source["click_id_parameter"]
    }.get(source["click_id_parameter"], {})
    host = source["utm_source"] or click_id.get("source") or source["referring_domain"]
    medium = source["utm_medium"] or click_id.get("medium") or "(not set)"
    told = {
        "category": category(
            (host or "").strip().lower().removeprefix("www."),
            json.dumps(settings["channel_sources"]),
        ),
        "medium": medium.strip().lower(),
        "campaign": (source["utm_campaign"] or "").lower(),
    }
    numbered = sorted(rows("channel_rules"), key=lambda row: int(row["rule_number"]))
    for rule in [*settings["channel_rules"], *numbered]:
        if all(
            not rule.get(name) or re.fullmatch(rule[name], value or "")
            for name, value in told.items()
        ):
            return rule["channel"]
    tags = ("utm_source", "utm_medium", "utm_campaign", "click_id_parameter")
    if any(source[name] for name in tags):
        return "Unassigned"
    return "Referral" if source["referring_domain"] else "Direct"
