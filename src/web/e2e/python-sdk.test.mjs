// A browser and the Python LiveKit SDK, a stack of its own, in one room: each hears and sees the
// other and they exchange data.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { story } from './harness/story.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const python = path.join(root, '.tools/python/bin/python');
const peer = path.join(root, 'src/offhook/tests/whole/peers/livekit_peer.py');
const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');

story('a browser and the Python SDK hear and see each other', {}, async (stage) => {
  const url = stage.server.url.replace('http', 'ws');
  const person = await stage.arrive({ context: { bypassCSP: true } });
  await person.page.addScriptTag({ path: `${sdk}livekit-client.umd.js` });
  await person.page.evaluate(join, [url, await stage.server.token('mixed', 'browser')]);

  const args = [peer, url, await stage.server.token('mixed', 'python'), '--data', 'ping', '--stay', '4'];
  const snake = promisify(execFile)(python, args, { timeout: 60_000 });
  await Promise.all([person.hears(), person.seesMotion(), answersData(person)]);

  const { stdout } = await snake;
  const said = JSON.parse(stdout.trim().split('\n').at(-1));
  assert.deepEqual([said.audio, said.video], [['browser'], ['browser']]);
});

/** Runs in the page: join, publish, and show what arrives where the harness measures it. */
async function join([url, token]) {
  const { Room, RoomEvent } = LivekitClient;
  const room = new Room();
  const heard = [];
  document.body.replaceChildren();
  room.on(RoomEvent.TrackSubscribed, (track) => {
    const element = track.attach();
    element.dataset.testid = track.kind === 'audio' ? 'remote-audio' : 'remote-video';
    document.body.append(element);
  });
  room.on(RoomEvent.DataReceived, (bytes) => heard.push(new TextDecoder().decode(bytes)));
  window.bench = { room, heard };
  await room.connect(url, token);
  await room.localParticipant.enableCameraAndMicrophone();
}

/** Asks until answered: a message to somebody whose channel is not open yet is lost, by design. */
async function answersData(person) {
  const ask = () => {
    void bench.room.localParticipant.publishData(new TextEncoder().encode('ping'), { reliable: true });
    return bench.heard.includes('echo:ping');
  };
  await person.page.waitForFunction(ask, undefined, { polling: 500 });
}
