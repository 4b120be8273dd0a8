// The media session door as the LiveKit JavaScript SDK sees it, without our app in between: two
// pages join a room with tokens from `offhook token create`.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { story } from './harness/story.mjs';

const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');

story('data, mute, unpublish, subscriptions and layers between two SDK pages', {}, async (stage) => {
  const [ann, ben] = await Promise.all([joinAs(stage, 'ann'), joinAs(stage, 'ben')]);
  await until(ben, () => bench.room.remoteParticipants.has('ann'));

  await dataArrives(ann, ben);
  await publish(ann);
  await ben.seesMotion('video');
  await muteIsTold(ann, ben);
  await layersChange(ben);
  await unsubscribeAndBack(ben);

  await ann.page.evaluate(() => bench.room.localParticipant.unpublishTrack(bench.camera));
  await until(ben, () => !bench.peer().getTrackPublication('camera'));

  // Gone is gone: the other side is told.
  await ann.page.evaluate(() => bench.room.disconnect());
  await until(ben, () => bench.room.remoteParticipants.size === 0);
});

async function joinAs(stage, identity) {
  const token = await stage.server.token('lab', identity);
  const person = await stage.arrive({ context: { bypassCSP: true } });
  await person.page.addScriptTag({ path: `${sdk}livekit-client.umd.js` });
  await person.page.evaluate(setUp);
  await person.page.evaluate(
    ([url, secret]) => bench.room.connect(url, secret),
    [stage.server.url.replace('http', 'ws'), token],
  );
  const joined = await person.page.evaluate(() => bench.room.localParticipant.identity);
  assert.equal(joined, identity);
  return person;
}

/** Runs in the page: a room, and everything that arrives in it, to be asked for later. */
function setUp() {
  const { Room, RoomEvent } = LivekitClient;
  const video = document.createElement('video');
  Object.assign(video, { autoplay: true, muted: true, width: 640 });
  video.dataset.testid = 'video';
  document.body.replaceChildren(video);
  const room = new Room({ adaptiveStream: false, dynacast: false });
  const bench = { room, video, data: [], muted: [] };
  bench.peer = () => [...room.remoteParticipants.values()][0];
  room.on(RoomEvent.DataReceived, (bytes, from, kind, topic) => {
    const text = new TextDecoder().decode(bytes);
    bench.data.push({ text, from: from?.identity, kind, topic });
  });
  room.on(RoomEvent.TrackSubscribed, (track) => track.kind === 'video' && track.attach(video));
  room.on(RoomEvent.TrackMuted, (publication) => bench.muted.push(publication.source));
  window.bench = bench;
}

function until(person, condition, argument) {
  return person.page.waitForFunction(condition, argument);
}

async function dataArrives(from, to) {
  for (const reliable of [true, false]) {
    const topic = reliable ? 'sure' : 'maybe';
    const send = (options) => {
      const bytes = new TextEncoder().encode(`hello ${options.topic}`);
      return bench.room.localParticipant.publishData(bytes, options);
    };
    await from.page.evaluate(send, { reliable, topic });
    await until(to, (t) => bench.data.some((one) => one.topic === t), topic);
    const got = await to.page.evaluate((t) => bench.data.find((one) => one.topic === t), topic);
    assert.equal(got.text, `hello ${topic}`);
    assert.equal(got.from, 'ann');
  }
  // To somebody else only.
  await from.page.evaluate(() =>
    bench.room.localParticipant.publishData(new Uint8Array([1]), {
      reliable: true,
      topic: 'not-for-ben',
      destinationIdentities: ['nobody'],
    }),
  );
  await from.page.evaluate(() =>
    bench.room.localParticipant.publishData(new Uint8Array([2]), { reliable: true, topic: 'last' }),
  );
  await until(to, () => bench.data.some((one) => one.topic === 'last'));
  assert.ok(await to.page.evaluate(() => !bench.data.some((one) => one.topic === 'not-for-ben')));
}

function publish(person) {
  return person.page.evaluate(async () => {
    await bench.room.localParticipant.setMicrophoneEnabled(true);
    const resolution = { width: 1280, height: 720, frameRate: 20 };
    const camera = await LivekitClient.createLocalVideoTrack({ resolution });
    bench.camera = camera;
    await bench.room.localParticipant.publishTrack(camera, { simulcast: true, videoCodec: 'vp8' });
  });
}

async function muteIsTold(from, to) {
  await until(to, () => bench.peer().getTrackPublication('microphone')?.isSubscribed);
  await from.page.evaluate(() => bench.room.localParticipant.setMicrophoneEnabled(false));
  await until(to, () => bench.muted.includes('microphone'));
  assert.ok(await to.page.evaluate(() => !bench.peer().isMicrophoneEnabled));
  await from.page.evaluate(() => bench.room.localParticipant.setMicrophoneEnabled(true));
  await until(to, () => bench.peer().isMicrophoneEnabled);
}

/** The receiver asks for another quality and gets a picture of another size. */
async function layersChange(person) {
  const ask = (quality) => {
    const wanted = LivekitClient.VideoQuality[quality];
    bench.peer().getTrackPublication('camera').setVideoQuality(wanted);
  };
  await until(person, () => bench.video.videoWidth >= 1280);
  await person.page.evaluate(ask, 'LOW');
  await until(person, () => bench.video.videoWidth > 0 && bench.video.videoWidth <= 320);
  await person.seesMotion('video');
  await person.page.evaluate(ask, 'HIGH');
  await until(person, () => bench.video.videoWidth >= 1280);
  await person.seesMotion('video');
}

async function unsubscribeAndBack(person) {
  const set = (on) => bench.peer().getTrackPublication('camera').setSubscribed(on);
  await person.page.evaluate(set, false);
  await until(person, () => !bench.peer().getTrackPublication('camera').track);
  await person.page.evaluate(set, true);
  await until(person, () => bench.peer().getTrackPublication('camera').track !== undefined);
  await person.seesMotion('video');
}
