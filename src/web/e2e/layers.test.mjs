// What nobody looks at is not encoded: the publisher's browser stops the layers that no receiver
// wants, and starts them again when one does.

import { createRequire } from 'node:module';
import { story } from './harness/story.mjs';

const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');

/** Thirty frames. */
const STILL_MS = 1_500;

story('a hidden or small tile stops the encoder of the layers above it', {}, async (stage) => {
  const [ann, ben] = await Promise.all([joinAs(stage, 'ann'), joinAs(stage, 'ben')]);
  await publish(ann);
  await until(ben, () => bench.video.videoWidth >= 1280);
  await seesEncoders(ann, { q: true, h: true, f: true });

  // Small: the lowest layer goes on, the others stop.
  await size(ben, 160);
  await seesEncoders(ann, { q: true, h: false, f: false });
  await staysStill(ann, ['h', 'f']);
  await ben.seesMotion('video');

  // Large again: the picture follows.
  await size(ben, 1280);
  await until(ben, () => bench.video.videoWidth >= 1280);
  await seesEncoders(ann, { q: true, h: true, f: true });
  await ben.seesMotion('video');

  // Hidden: nothing is encoded at all.
  await ben.page.evaluate(() => (bench.video.style.display = 'none'));
  await seesEncoders(ann, { q: false, h: false, f: false });
  await staysStill(ann, ['q', 'h', 'f']);
  await ben.page.evaluate(() => (bench.video.style.display = ''));
  await seesEncoders(ann, { q: true, h: true, f: true });
  await ben.seesMotion('video');
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
  return person;
}

/** Runs in the page: a room whose picture is as large as its element. */
function setUp() {
  const { Room, RoomEvent } = LivekitClient;
  const video = document.createElement('video');
  Object.assign(video, { autoplay: true, muted: true });
  Object.assign(video.style, { width: '1280px', height: '720px' });
  video.dataset.testid = 'video';
  document.body.replaceChildren(video);
  const room = new Room({ adaptiveStream: { pixelDensity: 1 }, dynacast: true });
  room.on(RoomEvent.TrackSubscribed, (track) => track.kind === 'video' && track.attach(video));
  window.bench = { room, video };
}

function until(person, condition, argument) {
  return person.page.waitForFunction(condition, argument);
}

function publish(person) {
  return person.page.evaluate(async () => {
    const resolution = { width: 1280, height: 720, frameRate: 20 };
    const camera = await LivekitClient.createLocalVideoTrack({ resolution });
    bench.camera = camera;
    bench.sent = async (rids) => {
      const report = [...(await camera.sender.getStats()).values()];
      const streams = report.filter((stat) => stat.type === 'outbound-rtp');
      return streams.filter((one) => rids.includes(one.rid)).map((one) => one.bytesSent);
    };
    await bench.room.localParticipant.publishTrack(camera, { simulcast: true, videoCodec: 'vp8' });
  });
}

function size(person, width) {
  return person.page.evaluate((w) => {
    Object.assign(bench.video.style, { width: `${w}px`, height: `${(w * 9) / 16}px` });
  }, width);
}

/** Which of the publisher's encoders are switched on, by restriction identifier. */
function seesEncoders(person, expected) {
  return until(
    person,
    (wanted) => {
      const { encodings } = bench.camera.sender.getParameters();
      return encodings.every(({ rid, active }) => wanted[rid] === active);
    },
    expected,
  );
}

/** Once these encoders have come to rest they send nothing for a while. */
async function staysStill(person, rids) {
  await person.page.waitForFunction(
    async ([names, millis]) => {
      const [now, sent] = [performance.now(), (await bench.sent(names)).join()];
      if (bench.last?.sent !== sent) bench.last = { sent, since: now };
      return now - bench.last.since > millis;
    },
    [rids, STILL_MS],
    { polling: 200 },
  );
}
