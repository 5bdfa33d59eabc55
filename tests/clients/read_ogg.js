// Reads Ogg Opus as @discordjs/voice does: the stream in on standard input, in pieces of so many bytes
// as the argument says, and JSON out, with the header's and all packets' bytes.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const requireHere = createRequire(path.join(__dirname, '..', 'node', 'package.json'));
const prism = requireHere('prism-media');

const pieceBytes = Number(process.argv[2]);
const stream = fs.readFileSync(0);
const demuxer = new prism.opus.OggDemuxer();
let head;
let nTags = 0;
const unknown = [];
const packets = [];
demuxer.on('head', (segment) => { head = segment.toString('hex'); });
demuxer.on('tags', () => { nTags += 1; });
demuxer.on('unknownSegment', (segment) => unknown.push(segment.toString('hex')));
demuxer.on('data', (packet) => packets.push(packet.toString('hex')));
demuxer.on('end', () => console.log(JSON.stringify({ head, nTags, unknown, packets })));
for (let start = 0; start < stream.length; start += pieceBytes) {
  demuxer.write(stream.subarray(start, start + pieceBytes));
}
demuxer.end();
