"""The page's modules by themselves: what is played when, what is sent, what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.page.visitor import Visitor

RATE = 48_000

PLAY = """
(async () => {
  const { WorkletPlayer } = await import("/web/worklet-player.js");
  const { BufferPlayer } = await import("/web/buffer-player.js");
  const context = new OfflineAudioContext(1, 48000, 48000);
  // It renders as fast as it can, and stands still while the page pushes: for the player it runs.
  Object.defineProperty(context, "state", { value: "running" });
  const player = await MAKE;
  const resumed = [];
  player.onresume = (offset, silentS) => resumed.push([offset, silentS]);
  let next = 1;  // a ramp, so that each sample is known by its value
  const push = (n) => player.push(Float32Array.from({ length: n }, () => next++ / 65536));
  const told = () => new Promise((resolve) => setTimeout(resolve, 50));
  context.suspend(0.1).then(async () => {
    for (const n of [1000, 1, 333, 4800]) push(n);
    await told();
    context.resume();
  });
  context.suspend(0.5).then(async () => {
    await told();
    push(7000);
    await told();
    context.resume();
  });
  const buffer = await context.startRendering();
  await told();
  const samples = [...buffer.getChannelData(0)].map((value) => Math.round(value * 65536));
  return { samples, resumed, heard: player.heard() };
})()
"""
"""Plays 6134 samples, runs dry, and goes on with 7000 more."""


@pytest.mark.parametrize("make", ["WorkletPlayer.create(context)", "new BufferPlayer(context)"])
async def test_what_is_pushed_is_played_without_a_gap(visitor: Visitor, make: str) -> None:
    async with visitor.at() as page:
        played = await page.evaluate(PLAY.replace("MAKE", make))
    samples = played["samples"]
    assert [sample for sample in samples if sample] == list(range(1, 13_135))
    first, again = samples.index(1), samples.index(6135)
    assert samples[first : first + 6134] == list(range(1, 6135))
    assert samples[again : again + 7000] == list(range(6135, 13_135))
    (offset, _), (dry_at, silent_s) = played["resumed"]
    assert (offset, dry_at) == (0, 6134)
    assert silent_s == pytest.approx((again - first - 6134) / RATE, abs=1e-6)


async def test_the_schedule_tells_what_was_heard(visitor: Visitor) -> None:
    async with visitor.at() as page:
        heard = await page.evaluate("""
            import("/web/schedule.js").then(({ Schedule }) => {
              const schedule = new Schedule(1000, 0);
              const heard = [schedule.playedTo(9)];
              schedule.push(500, 10);
              schedule.push(500, 10.1);
              heard.push(schedule.playedTo(9.9), schedule.playedTo(10.75), schedule.playedTo(12));
              const { silentS } = schedule.push(100, 12);
              heard.push(silentS, schedule.playedTo(11.9), schedule.playedTo(12.05));
              schedule.reset(77);
              heard.push(schedule.playedTo(12.05));
              return heard;
            })
        """)
    assert heard == [0, 0, 750, 1000, 1, 1000, 1050, 77]


@pytest.mark.parametrize(
    "text",
    [
        "One. Two! " * 300,
        "a" * 2500,
        "b" * 999 + "🙂" * 800,
        "word " * 700,
        "short",
        " ends with space ",
    ],
)
async def test_text_in_parts_is_the_same_text(visitor: Visitor, text: str) -> None:
    async with visitor.at() as page:
        tokens, pieces = await page.evaluate(
            'import("/web/feeder.js").then(({ tokensOf, piecesOf }) =>'
            f" [tokensOf({text!r}), piecesOf({text!r})])"
        )
    assert "".join(tokens) == text
    assert "".join(pieces) == text
    assert all(len(piece.encode("utf-16-le")) <= 2000 for piece in pieces)


async def test_silence_between_segments_is_no_gap(visitor: Visitor) -> None:
    async with visitor.at() as page:
        found = await page.evaluate("""
            import("/web/utterance.js").then(({ Utterance }) => {
              const utterance = new Utterance({ text: "Oh! No." }, 0);
              utterance.sent("Oh! No.");
              utterance.segmentStarted({ segment: 0, text: "Oh!", sample_offset: 100 });
              utterance.segmentEnded(
                { segment: 0, samples: 50, remarks: ["length"], latency_ms: { wait: null } });
              utterance.segmentStarted({ segment: 1, text: " No.", sample_offset: 150 });
              utterance.resumed(100, 9, 3);
              utterance.resumed(150, 9, 4);
              const before = utterance.nGaps;
              utterance.resumed(170, 0.5, 5);
              return [utterance.firstSoundAt, before, utterance.nGaps, utterance.gapS,
                utterance.segments[0].remarks];
            })
        """)
    assert found == [3, 0, 1, 0.5, ["length"]]


METRICS = """
# HELP voice_wait_seconds How long
# TYPE voice_wait_seconds histogram
voice_wait_seconds_bucket{le="0.1",stage="tts"} 4
voice_wait_seconds_bucket{le="0.2",stage="tts"} 8
voice_wait_seconds_bucket{le="+Inf",stage="tts"} 10
voice_wait_seconds_sum{stage="tts"} 1
voice_wait_seconds_count{stage="tts"} 10
# TYPE voice_errors_total counter
voice_errors_total{code="a \\"b\\", c"} 1e2
# TYPE voice_free gauge
voice_free NaN
no_type 5 1700000000000
"""


async def test_metrics_are_read_as_prometheus_writes_them(visitor: Visitor) -> None:
    script = f"""
        import("/web/metrics.js").then(({{ parseMetrics, quantile, valuesOf }}) => {{
          const families = parseMetrics({METRICS!r});
          const none = parseMetrics("# TYPE voice_wait_seconds histogram");
          const wait = families.get("voice_wait_seconds");
          return {{
            names: [...families.keys()],
            help: wait.help,
            labels: families.get("voice_errors_total").samples[0].labels,
            untyped: families.get("no_type").samples[0].value,
            waits: [...valuesOf(wait, none.get("voice_wait_seconds"), 1)],
            rate: [...valuesOf(families.get("voice_errors_total"), {{ samples: [] }}, 50)],
            quantiles: [0.2, 0.5, 0.95].map((share) =>
              quantile([[0.1, 4], [0.2, 8], [Infinity, 10]], share)),
            nothing: quantile([[1, 0]], 0.5),
          }};
        }})
    """
    async with visitor.at() as page:
        found = await page.evaluate(script)
    assert found["names"] == ["voice_wait_seconds", "voice_errors_total", "voice_free", "no_type"]
    assert found["help"] == "How long"
    assert found["labels"] == {"code": 'a "b", c'}
    assert found["untyped"] == 5
    assert dict(found["waits"]).keys() == {"tts p50", "tts p95"}
    assert found["rate"][0][1] == 2
    assert found["quantiles"] == pytest.approx([0.05, 0.125, 0.2])
    assert found["nothing"] is None
