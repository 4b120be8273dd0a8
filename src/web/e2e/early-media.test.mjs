// A phone call is heard before it is answered: the room is real, only its signaling is scripted.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { answers, ME } from './harness/carrier.mjs';
import { Scripted } from './harness/scripted.mjs';
import { story } from './harness/story.mjs';

const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');
const callId = 'c1';

story('early media is heard, and the answer does not join again', {}, async (stage) => {
  const phone = await seatPhone(stage);
  const script = await Scripted.start(answers(), { realUrl: stage.server.url });
  const me = await script.arrive(ME);
  stage.people.push(me);
  await me.online();
  await me.page.locator('label', { has: me.at('via-phone') }).click();
  await me.at('dial-number').fill('0151 12345678');
  await me.click('call-phone');
  await script.heard('place');
  const grant = { token: await stage.server.token('early', 'me'), room: 'early' };
  script.say({ ringing: { callId } });
  script.say({ progress: { callId, grant } });

  // The phone has a seat in the room, and is silent: our own ringback goes on.
  await me.at('remote-audio').first().waitFor({ state: 'attached' });
  await phone.page.waitForFunction(() => bench.room.remoteParticipants.size === 1);
  assert.equal(await me.at('open-keys').count(), 0);

  await phone.page.evaluate(() => bench.loud());
  await me.see('open-keys');
  await me.hears();

  script.say({ accepted: { callId, grant, acceptedAt: '1' } });
  await me.joined();
  await me.hears();
  assert.deepEqual(await phone.page.evaluate(() => bench.left), []);
});

/** Somebody in the room who is silent until told otherwise, as the bridge of a phone is. */
async function seatPhone(stage) {
  const token = await stage.server.token('early', 'phone');
  const phone = await stage.arrive({ context: { bypassCSP: true } });
  await phone.page.addScriptTag({ path: `${sdk}livekit-client.umd.js` });
  await phone.page.evaluate(playTone, [stage.server.url.replace('http', 'ws'), token]);
  return phone;
}

/** Runs in the page. */
async function playTone([url, token]) {
  const { Room, RoomEvent, Track } = LivekitClient;
  const room = new Room();
  const left = [];
  room.on(RoomEvent.ParticipantDisconnected, ({ identity }) => left.push(identity));
  const audio = new AudioContext();
  const gain = new GainNode(audio, { gain: 0 });
  const speaker = new MediaStreamAudioDestinationNode(audio);
  const tone = new OscillatorNode(audio, { frequency: 425 });
  tone.connect(gain).connect(speaker);
  tone.start();
  await room.connect(url, token);
  const [track] = speaker.stream.getAudioTracks();
  await room.localParticipant.publishTrack(track, { source: Track.Source.Microphone, dtx: false });
  window.bench = { room, left, loud: () => (gain.gain.value = 0.3) };
}
