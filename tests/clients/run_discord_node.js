// Speaks by the Discord bot among the examples, and by @discordjs/voice's own player: URL, text and
// story as arguments, the packets that it would have sent as JSON out.
// Of that library only the way to Discord is replaced: a connection that keeps each packet.
'use strict';

const path = require('path');
const { createAudioPlayer } = require('@discordjs/voice');
const { speak } = require(path.join(__dirname, '..', '..', 'examples', 'node', 'discord_bot.js'));

const SILENCE = 'f8fffe'; // the player's own, behind a resource

let packets = [];
const connection = {
  state: { status: 'ready' },
  prepareAudioPacket: (packet) => packets.push(packet.toString('hex')),
  dispatchAudio() {},
  setSpeaking() {},
  onSubscribe(subscription) { this.subscription = subscription; },
  onSubscriptionRemoved() {},
};

function take() {
  const taken = packets.filter((packet) => packet !== SILENCE);
  packets = [];
  return taken;
}

async function main(url, text, story) {
  const player = createAudioPlayer();
  player.subscribe(connection);
  await speak(player, text, { url, voice: 'en-us+m3' });
  const whole = take();

  const storytelling = speak(player, story, { url });
  while (packets.length < 25) await new Promise((resolve) => setTimeout(resolve, 10));
  const begun = take();
  const again = speak(player, text, { url, voice: 'en-us+m3' });
  await storytelling;
  await again;
  const interrupted = take();

  const refused = await speak(player, text, { url, voice: 'nobody' }).catch(({ message }) => message);
  const told = JSON.stringify({ whole, begun, interrupted, refused });
  process.stdout.write(told, () => process.exit(0)); // the library's clock would go on
}

main(...process.argv.slice(2));
