// Runs the seed's Node sample: JSON with its port, its tokens and how many samples there will be
// in, the sound it received out. Where the sample throws, this ends with status 1 and the error.
// Here "localhost" is ::1 and then 127.0.0.1, as it is on many machines.
'use strict';

const dns = require('dns');
const fs = require('fs');
const net = require('net');
const path = require('path');
const { createRequire } = require('module');

const QUIET_MS = 500; // without sound after the last of it: there is no more

const LOCALHOST = [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }];

// Node 18 only tries the first one, and so misses a server that listens at the second alone.
const triesAll = net.getDefaultAutoSelectFamily && net.getDefaultAutoSelectFamily();
if (triesAll) {
  const { lookup } = dns;
  dns.lookup = (host, options, answer) =>
    host === 'localhost' && options.all ? answer(null, LOCALHOST) : lookup(host, options, answer);
}

const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const received = [];
let nSamples = 0;
let end;

function playAudio(samples) {
  received.push(samples.slice()); // a copy: the sample's array lies over a buffer that is reused
  nSamples += samples.length;
  const busyUntil = Date.now() + task.busy_ms;
  while (Date.now() < busyUntil) { /* meanwhile frames pile up in the socket */ }
  clearTimeout(end);
  if (nSamples >= task.n_samples) end = setTimeout(finish, QUIET_MS);
}

function finish() {
  for (const samples of received) fs.writeSync(1, new Uint8Array(samples.buffer));
  process.exit(0);
}

const sample = fs
  .readFileSync(path.join(__dirname, 'seed_node.js'), 'utf8')
  .replace(':8765/', `:${task.port}/`);
const fromNode = createRequire(path.join(__dirname, '..', 'node', 'package.json'));
const streamTTS = new Function('require', 'playAudio', `${sample}\nreturn streamTTS;`)(
  fromNode,
  playAudio,
);
streamTTS(task.tokens);
