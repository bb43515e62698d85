"""Prevent events of erased persons from landing again."""

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime

from ingest.erasures import Erased, ErasedId, Erasure, Noting, put_erasure, without
from ingest.landing import Landing
from ingest.members import Format, MemberName, VerifiedMember
from ingest.summary import Summary

log = logging.getLogger(__name__)


class ErasedEvents:
    """Leaves events of the erased out; several threads may use it at once.

    `has_linked`: erased persons have got new amplitude ids, which are recorded.
    """

    def __init__(
        self, landing: Landing, erased: Erased, format: Format, summary: Summary
    ) -> None:
        self._landing = landing
        self._erased = erased
        self._is_gzip = format == "json.gz"
        self._summary = summary
        self._linking = threading.Lock()
        self.has_linked = False

    def leave_out(self, member: MemberName, verified: VerifiedMember) -> VerifiedMember:
        """The member without the events of erased persons."""
        erased = self._erased
        noting = Noting(erased.salt, erased.given, erased.linked)
        rest = without(
            verified.content, noting, member.project_id, is_gzip=self._is_gzip
        )
        if rest.content and (links := noting.new_links(member.project_id)):
            rest.content.close()
            erased = self._link(links)
            rest = without(
                verified.content, erased, member.project_id, is_gzip=self._is_gzip
            )
        if rest.content is None:
            verified.content.seek(0)
            return verified
        log.info("%s: %d events of erased persons", member.name, rest.erased_count)
        with self._linking:
            self._summary.erased_events += rest.erased_count
        return VerifiedMember(
            rest.content, rest.byte_count, rest.sha256, rest.event_count
        )

    def _link(self, links: set[ErasedId]) -> Erased:
        """Record amplitude ids that erased users have got since; returns all ids.

        First, so that nothing of them lands from then on.
        """
        with self._linking:
            known = self._erased
            if new := sorted(links - known.linked, key=lambda one: one.hash):
                put_erasure(
                    self._landing, Erasure(datetime.now(UTC), known.salt.id, [], new)
                )
                self.has_linked = True
                self._erased = replace(known, linked=known.linked | set(new))
            return self._erased
