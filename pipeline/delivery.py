"""What one listener was sent, entered where it counts: its ledger, its usage, the metrics, the pace
and the log."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import structlog
import trio

from stages.errors import ServerError
from stages.items import Cancelled, PcmFrame, SegmentEnded, SegmentFailed, SegmentStarted

if TYPE_CHECKING:
    from pipeline.ledger import Ledger
    from pipeline.service import Service
    from pipeline.usage import Usage
    from stages.intake.conversation import Conversation
    from stages.items import Answer, Outgoing

log = structlog.stdlib.get_logger(__name__)


class Delivery:
    """One connection's deliveries."""

    def __init__(
        self, service: Service, conversation: Conversation, ledger: Ledger, usage: Usage
    ) -> None:
        self._service = service
        self._conversation = conversation
        self._ledger = ledger
        self._usage = usage
        self._cancels_taken_in: deque[float] = deque()  # when, of those not answered yet
        self._held_since: float | None = None  # of the segment whose start was told last
        self._failed = -1  # the last segment that did

    def cancel_taken_in(self) -> None:
        """A barge-in came, whose answer will be sent."""
        self._cancels_taken_in.append(trio.current_time())

    def sent(self, item: Outgoing | Answer) -> None:
        """This, and so everything before it, was handed to the kernel."""
        metrics = self._service.metrics
        match item:
            case PcmFrame():
                self._sound(item)
            case SegmentStarted(segment=segment, pacing=pacing):
                self._held_since = trio.current_time() if pacing.hold_s else None
                if pacing.hold_s:
                    self._service.pace.warn(segment)
            case SegmentEnded(segment=segment):
                rate = self._conversation.stream_format.sample_rate
                metrics.ended(segment.style.voice, item.n_samples / rate)
                speaks, _ = self._service.synthesizer_for(segment.speaking_style)
                metrics.broken_off(speaks.name, segment.remarks)
                self._usage.spoken(item, speaks.name, item.n_samples / rate)
                if segment.index != self._failed:
                    self._service.pace.spoken(segment, item.n_samples / rate)
                log.debug(
                    "spoken",
                    segment=segment.index,
                    voice=segment.style.voice,
                    sound_s=round(item.n_samples / rate, 3),
                    remarks=segment.remarks,
                    text=segment.source,
                )
            case Cancelled():
                taken_in_at = self._cancels_taken_in.popleft()
                metrics.cancel_seconds.observe(trio.current_time() - taken_in_at)
            case SegmentFailed(error=error) | (ServerError() as error):
                if isinstance(item, SegmentFailed):
                    self._failed = item.segment.index
                metrics.errors.labels(error.code).inc()

    def _sound(self, frame: PcmFrame) -> None:
        now, dry_at, timing = trio.current_time(), self._ledger.clock.dry_at, frame.timing
        metrics = self._service.metrics
        metrics.sent_bytes.inc(len(frame.data))
        self._usage.sent(frame.n_samples / self._conversation.stream_format.sample_rate)
        is_heard = self._ledger.sent(frame, now)
        if timing is None or not is_heard:
            return
        if timing.sent is None:
            timing.sent = now
            if self._held_since is not None:
                metrics.hold_seconds.observe(now - self._held_since)
            metrics.began(timing, was_waiting=dry_at <= timing.arrived)
        elif dry_at < now:
            metrics.gap(now - dry_at)
