// Has Cartesia's and ElevenLabs' packages for Node speak: JSON with a base URL, a text and words in;
// JSON with what came of it out. They throw where the packages do.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const load = createRequire(path.join(__dirname, '..', 'node', 'package.json'));
const Cartesia = load('@cartesia/cartesia-js').default;
const { ElevenLabsClient } = load('@elevenlabs/elevenlabs-js');

const task = JSON.parse(fs.readFileSync(0, 'utf8'));

async function whole(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('base64');
}

async function elevenlabs() {
  const client = new ElevenLabsClient({ baseUrl: task.base_url, apiKey: 'any' });
  const asked = { text: task.text, outputFormat: 'pcm_24000' };
  const speech = client.textToSpeech;
  const sound = await whole(await speech.convert('21m00Tcm4TlvDq8ikWAM', asked));
  const streamed = await whole(await speech.stream('21m00Tcm4TlvDq8ikWAM', asked));
  const timed = await speech.convertWithTimestamps('21m00Tcm4TlvDq8ikWAM', asked);
  const lines = [];
  for await (const line of await speech.streamWithTimestamps('21m00Tcm4TlvDq8ikWAM', asked)) {
    lines.push({ sound: line.audioBase64, characters: line.alignment?.characters ?? [] });
  }
  const { voices } = await client.voices.getAll();
  const models = await client.models.list();
  return {
    sound,
    streamed,
    timed: { sound: timed.audioBase64, characters: timed.alignment.characters },
    lines,
    n_voices: voices.length,
    n_models: models.length,
  };
}

async function cartesia() {
  const client = new Cartesia({ apiKey: 'any', baseURL: task.base_url });
  const wishes = {
    model_id: 'sonic-3',
    voice: { mode: 'id', id: '6ccbfb76-1fc6-48f7-b71d-91ac6298247b' },
    output_format: { container: 'raw', encoding: 'pcm_s16le', sample_rate: 24000 },
  };
  const answer = await client.tts.generate({ ...wishes, transcript: task.text });
  const sound = Buffer.from(await answer.arrayBuffer()).toString('base64');

  const socket = await client.tts.websocket(); // by wss, whatever the base URL says
  const contexts = [];
  for (let n = 0; n < 2; n += 1) {
    const context = socket.context(wishes);
    for (const word of task.words) await context.push({ transcript: word });
    await context.flush();
    await context.no_more_inputs();
    const heard = { sound: [], kinds: [] };
    for await (const event of context.receive()) {
      if (event.type === 'chunk') heard.sound.push(event.data);
      else heard.kinds.push(event.type);
    }
    contexts.push(heard);
  }
  socket.close();
  return { sound, contexts };
}

async function main() {
  console.log(JSON.stringify({ elevenlabs: await elevenlabs(), cartesia: await cartesia() }));
}

main();
