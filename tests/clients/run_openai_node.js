// Has OpenAI's package for Node speak: JSON with a base URL, a key, a text and formats in; JSON with
// what came of it out. It throws where the package does.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const nodeModules = path.join(__dirname, '..', 'node', 'package.json');
const OpenAI = createRequire(nodeModules)('openai');

const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const client = new OpenAI({ baseURL: task.base_url, apiKey: task.key, maxRetries: 0 });
const asked = { model: 'gpt-4o-mini-tts', voice: task.voice };

async function failure(call) {
  try {
    await call;
  } catch (error) {
    const { status, code, param, message } = error;
    return { kind: error.constructor.name, status, code, param, message };
  }
  throw new Error('it did not fail');
}

async function main() {
  const sounds = {};
  for (const format of task.formats) {
    const answer = await client.audio.speech.create({
      ...asked, input: task.text, response_format: format,
    });
    sounds[format] = Buffer.from(await answer.arrayBuffer()).toString('base64');
  }

  const streamed = await client.audio.speech.create({
    ...asked, input: task.text, response_format: 'pcm',
  });
  const pieces = [];
  for await (const piece of streamed.body) pieces.push(Buffer.from(piece).toString('base64'));

  const models = [];
  for await (const model of client.models.list()) models.push(model.id);

  const stranger = new OpenAI({ baseURL: task.base_url, apiKey: 'wrong-key', maxRetries: 0 });
  const failures = [
    await failure(client.audio.speech.create({ ...asked, input: 'a'.repeat(10_001) })),
    await failure(stranger.models.list()),
  ];
  console.log(JSON.stringify({ sounds, pieces, models, failures }));
}

main();
