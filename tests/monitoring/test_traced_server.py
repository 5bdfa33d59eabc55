"""The traces of a real server: through each dialect, to the last one at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.monitoring.conftest import KEY, PATHS, TRACEPARENT

if TYPE_CHECKING:
    from tests.monitoring.conftest import Told


def test_a_trace_goes_on_through_every_dialect(told: Told) -> None:
    """And all of them were delivered as the server ended: they had waited until then."""
    for number, (path, _) in PATHS.items():
        _, trace_id, parent_id, _ = TRACEPARENT.format(number).split("-")
        spans = [span for span in told.spans if span.trace_id == trace_id]
        [conversation] = [span for span in spans if span.name == "conversation"]
        assert conversation.parent_id == parent_id
        route = path.partition("?")[0].replace("/en-us/", "/{voice}/")
        assert conversation.facts["voice.route"] == route
        assert conversation.facts["voice.key"] == "anna"
        assert conversation.facts["voice.request_id"] == f"request-{number}"
        segments = [span for span in spans if span.name == "segment"]
        assert segments
        assert {span.parent_id for span in segments} == {conversation.span_id}
        assert {span.facts["voice.name"] for span in segments} <= {"en-us", "en-us+f3"}
    assert {span.name for span in told.spans} == {"conversation", "segment"}
    assert "traces" not in told.log


def test_no_key_and_no_text_is_in_them(told: Told) -> None:
    """A key was in a query: FastAPI makes spans with it, where a process has a provider for all."""
    assert KEY.encode() not in told.bodies
    assert b"Hello" not in told.bodies
