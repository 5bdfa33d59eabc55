// Has Deepgram's package for Node speak: JSON with an address, a key, a voice and texts in; JSON with
// what came of it out. It throws where the package does.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const nodeModules = path.join(__dirname, '..', 'node', 'package.json');
const { DeepgramClient } = createRequire(nodeModules)('@deepgram/sdk');

const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const http = `http://${task.address}`;
const ws = `ws://${task.address}`;
const environment = { base: http, production: ws, agent: ws, agentRest: http };

// A client on a socket, and what it was sent: messages, and in their places the bytes of sound.
async function opened(connecting) {
  const socket = await connecting;
  const came = [];
  let wake = () => {};
  socket.on('message', (message) => { came.push(message); wake(); });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.connect();
  await socket.waitForOpen();

  // Up to the first message of a type: the sound, and the types of the messages.
  async function until(type) {
    const sound = [];
    const messages = [];
    for (;;) {
      while (came.length === 0) await new Promise((resolve) => { wake = resolve; });
      const message = came.shift();
      if (message.type === undefined || message instanceof Blob) {
        const bytes = message instanceof Blob ? await message.arrayBuffer() : message;
        sound.push(Buffer.from(bytes));
      } else {
        messages.push(message);
        if (message.type === type) {
          return { sound: Buffer.concat(sound).toString('base64'), messages };
        }
      }
    }
  }
  return { socket, until, closed };
}

async function main() {
  const client = new DeepgramClient({ apiKey: task.key, environment });
  const asked = { model: task.voice, encoding: 'linear16', sample_rate: 24000, reconnectAttempts: 0 };
  const answers = {};

  const v1 = await opened(client.speak.v1.connect(asked));
  await v1.until('Metadata');
  for (const word of task.text.split(/(?<= )/)) v1.socket.sendText({ type: 'Speak', text: word });
  v1.socket.sendFlush({ type: 'Flush' });
  answers.spoken = await v1.until('Flushed');
  v1.socket.sendText({ type: 'Speak', text: task.story });
  v1.socket.sendFlush({ type: 'Flush' });
  v1.socket.sendClear({ type: 'Clear' });
  v1.socket.sendText({ type: 'Speak', text: task.text });
  v1.socket.sendFlush({ type: 'Flush' });
  await v1.until('Cleared');
  answers.afterClear = await v1.until('Flushed');
  v1.socket.sendClose({ type: 'Close' });
  answers.code = (await v1.closed).code;

  const v2 = await opened(client.speak.v2.connect(asked));
  await v2.until('Connected');
  v2.socket.sendSpeak({ type: 'Speak', text: task.text });
  v2.socket.sendFlush({ type: 'Flush' });
  answers.turn = await v2.until('SpeechMetadata');
  v2.socket.sendSpeak({ type: 'Speak', text: task.story });
  v2.socket.sendInterrupt({ type: 'Interrupt', playback_offset: { type: 'time_ms', value: 1 } });
  answers.interrupted = await v2.until('SpeechInterrupted');
  v2.socket.sendSpeak({ type: 'Speak', text: task.text });
  v2.socket.sendFlush({ type: 'Flush' });
  answers.afterInterrupt = await v2.until('SpeechMetadata');
  v2.socket.sendClose({ type: 'Close' });
  answers.session = await v2.until('SessionMetadata');

  const answer = await client.speak.v1.audio.generate({
    text: task.text, model: task.voice, encoding: 'linear16', container: 'none', sample_rate: 24000,
  });
  answers.overHttp = Buffer.from(await answer.arrayBuffer()).toString('base64');
  try {
    await client.speak.v1.audio.generate({ text: '' });
  } catch (error) {
    answers.failure = { status: error.statusCode, body: error.body };
  }
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
}

main().catch((error) => { console.error(error); process.exit(1); });
