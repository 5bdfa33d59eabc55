// A Discord bot that speaks in a voice channel: Ogg Opus from the server, handed on as it comes. Needs
// no ffmpeg, no libopus and no libsodium.
//
//   npm install discord.js @discordjs/voice            (Node 22.12 or newer, as @discordjs/voice asks)
//   DISCORD_TOKEN=... node examples/node/discord_bot.js
//
// SPEECH_URL is the voice server, where it is not on this machine, and SPEECH_KEY its key. Then, in a
// voice channel: `!speak Hello there!`, and `!voice en-us+m3` to choose who speaks.
//
// Voice channels are encrypted from end to end (DAVE). @discordjs/voice does that itself, packet by
// packet, by @snazzah/davey, which it brings along.
'use strict';

const { Readable } = require('node:stream');
const {
  AudioPlayerStatus,
  StreamType,
  createAudioPlayer,
  createAudioResource,
  joinVoiceChannel,
} = require('@discordjs/voice');

const URL_BY_DEFAULT = 'http://localhost:8765';

/**
 * Speaks a text; resolves when its last packet has been played. Speaking again on the same player
 * interrupts: the player drops the old resource, which closes its request, and the server stops.
 * @param {import('@discordjs/voice').AudioPlayer} player
 * @param {string} text
 * @param {{url?: string, key?: string, voice?: string}} [options]
 */
async function speak(player, text, { url = URL_BY_DEFAULT, key, voice } = {}) {
  const leaving = new AbortController();
  const answer = await fetch(`${url}/api/speak`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify({ text, format: 'opus', ...(voice && { voice }) }),
    signal: leaving.signal,
  });
  if (!answer.ok) throw new Error((await answer.json()).error);
  const stream = Readable.fromWeb(answer.body);
  stream.on('error', () => {}); // a break ends the resource, as a text's end does
  const resource = createAudioResource(stream, { inputType: StreamType.OggOpus });
  player.play(resource);
  await new Promise((resolve) => {
    player.on('stateChange', function changed(before, after) {
      if (after.status !== AudioPlayerStatus.Idle && after.resource === resource) return;
      player.off('stateChange', changed);
      leaving.abort();
      resolve();
    });
  });
}

function main() {
  const { Client, Events, GatewayIntentBits } = require('discord.js');
  const options = { url: process.env.SPEECH_URL, key: process.env.SPEECH_KEY };
  const { Guilds, GuildMessages, GuildVoiceStates, MessageContent } = GatewayIntentBits;
  const client = new Client({ intents: [Guilds, GuildMessages, GuildVoiceStates, MessageContent] });
  const players = new Map(); // of each guild
  const voices = new Map();

  async function playerIn(channel) {
    if (!players.has(channel.guildId)) {
      const player = createAudioPlayer();
      joinVoiceChannel({
        channelId: channel.id,
        guildId: channel.guildId,
        adapterCreator: channel.guild.voiceAdapterCreator,
      }).subscribe(player);
      players.set(channel.guildId, player);
    }
    return players.get(channel.guildId);
  }

  client.on(Events.MessageCreate, async (message) => {
    const [command, ...words] = message.content.split(' ');
    const argument = words.join(' ');
    if (message.author.bot || !message.guildId || !argument) return;
    if (command === '!voice') voices.set(message.guildId, argument);
    if (command !== '!speak') return;
    const channel = message.member?.voice.channel;
    if (!channel) {
      await message.reply('You need to be in a voice channel!');
      return;
    }
    try {
      const player = await playerIn(channel);
      await speak(player, argument, { ...options, voice: voices.get(message.guildId) });
    } catch (error) {
      console.error(error);
      await message.reply(`I have lost my voice: ${error.message}`);
    }
  });
  client.login(process.env.DISCORD_TOKEN);
}

if (require.main === module) {
  if (!process.env.DISCORD_TOKEN) {
    console.error("DISCORD_TOKEN is not set: it holds the bot's token, from Discord's developer portal");
    process.exit(1);
  }
  main();
}

module.exports = { speak };
