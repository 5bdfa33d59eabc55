"""The playback clock: when a listener runs dry, and how urgent that makes its work."""

from __future__ import annotations

from pipeline.playback import NEWCOMER_S, PlaybackClock


def test_sound_is_heard_from_when_it_was_sent() -> None:
    clock = PlaybackClock()
    clock.sent(2.0, now=10.0)
    assert clock.dry_at == 12.0
    assert clock.unheard_s(11.5) == 0.5
    assert clock.unheard_s(13.0) == 0.0


def test_sound_that_follows_is_heard_behind_what_is_still_playing() -> None:
    clock = PlaybackClock()
    clock.sent(2.0, now=10.0)
    clock.sent(1.0, now=10.1)
    assert clock.dry_at == 13.0


def test_a_listener_that_ran_dry_goes_on_when_more_comes() -> None:
    clock = PlaybackClock()
    clock.sent(1.0, now=10.0)
    clock.sent(1.0, now=20.0)
    assert clock.dry_at == 21.0


def test_an_interrupted_listener_has_nothing_left_to_hear() -> None:
    clock = PlaybackClock()
    clock.sent(5.0, now=10.0)
    clock.stop(now=11.0)
    assert clock.unheard_s(11.0) == 0.0
    clock.sent(1.0, now=12.0)
    assert clock.dry_at == 13.0


def test_work_is_due_when_its_listener_runs_dry() -> None:
    clock = PlaybackClock()
    clock.sent(5.0, now=10.0)
    assert clock.deadline(arrived=11.0) == 15.0


def test_work_for_a_listener_who_hears_nothing_is_due_soon_after_it_came() -> None:
    clock = PlaybackClock()
    assert clock.deadline(arrived=11.0) == 11.0 + NEWCOMER_S
    clock.sent(1.0, now=1.0)
    assert clock.deadline(arrived=11.0) == 11.0 + NEWCOMER_S


def test_what_is_held_back_is_due_when_it_is_needed() -> None:
    """Work for a newcomer whose sentence waits until it can be heard in one is not more urgent than
    that for somebody who is in the middle of one."""
    newcomer, heard = PlaybackClock(), PlaybackClock()
    heard.sent(3.0, now=10.0)
    assert newcomer.deadline(arrived=11.0) < heard.deadline(arrived=9.0)
    newcomer.needed_at = 20.0
    assert newcomer.deadline(arrived=11.0) == 20.0
