// The sample as its author published it: it must keep running.
const WebSocket = require('ws');

async function streamTTS(tokens) {
  const ws = new WebSocket('ws://localhost:8765/ws/stream');

  ws.on('open', () => {
    // Send tokens
    for (const token of tokens) {
      ws.send(JSON.stringify({
        token: token,
        pitch_shift: 0
      }));
    }

    // Flush
    ws.send(JSON.stringify({ flush: true }));
  });

  ws.on('message', (data) => {
    // data is Buffer containing PCM float32 audio
    const samples = new Float32Array(
      data.buffer,
      data.byteOffset,
      data.length / 4
    );

    // Play audio...
    playAudio(samples);
  });
}
