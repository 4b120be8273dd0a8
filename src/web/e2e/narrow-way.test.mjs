// On a way that does not hold two pictures one is paused, and the page is told; when there is room
// again it comes back.

import { createRequire } from 'node:module';
import { NarrowWay } from './harness/narrow.mjs';
import { story } from './harness/story.mjs';

const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');

/** The lowest layer of one camera at its lowest frame rate, but not of two. */
const NARROW_KILOBITS = 110;
const WIDE_KILOBITS = 8_000;

story('a picture that does not fit is paused, told, and resumed', {}, async (stage) => {
  const way = new NarrowWay(WIDE_KILOBITS);
  try {
    const [ann, ben] = await Promise.all([arrive(stage), arrive(stage)]);
    await way.lead(ben);
    await Promise.all([join(stage, ann, 'ann'), join(stage, ben, 'ben')]);
    await publishTwice(ann);
    await until(ben, () => bench.widths().length === 2 && bench.widths().every((w) => w >= 640));

    way.kilobits = NARROW_KILOBITS;
    await until(ben, () => bench.states().includes('paused'));

    way.kilobits = WIDE_KILOBITS;
    await until(ben, () => bench.states().every((state) => state === 'active'));
    await until(ben, () => bench.widths().every((width) => width >= 640));
    await ben.seesMotion('video-0');
    await ben.seesMotion('video-1');
  } finally {
    way.close();
  }
});

async function arrive(stage) {
  const person = await stage.arrive({ context: { bypassCSP: true } });
  await person.page.addScriptTag({ path: `${sdk}livekit-client.umd.js` });
  await person.page.evaluate(setUp);
  return person;
}

async function join(stage, person, identity) {
  const token = await stage.server.token('lab', identity);
  const url = stage.server.url.replace('http', 'ws');
  await person.page.evaluate(([to, secret]) => bench.room.connect(to, secret), [url, token]);
}

/** Runs in the page: a room whose pictures are shown side by side. */
function setUp() {
  const { Room, RoomEvent } = LivekitClient;
  document.body.replaceChildren();
  const room = new Room({ adaptiveStream: false, dynacast: false });
  const videos = [];
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind !== 'video') return;
    const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true });
    video.dataset.testid = `video-${videos.length}`;
    videos.push(video);
    document.body.append(video);
    track.attach(video);
  });
  const shown = () => [...room.remoteParticipants.values()].flatMap((p) => [...p.videoTrackPublications.values()]);
  const states = () => shown().map((publication) => publication.track?.streamState);
  window.bench = { room, states, widths: () => videos.map((video) => video.videoWidth) };
}

function publishTwice(person) {
  return person.page.evaluate(async () => {
    for (const source of ['camera', 'unknown']) {
      const resolution = { width: 640, height: 360, frameRate: 20 };
      const track = await LivekitClient.createLocalVideoTrack({ resolution });
      const options = { simulcast: true, videoCodec: 'vp8', source, name: source };
      await bench.room.localParticipant.publishTrack(track, options);
    }
  });
}

function until(person, condition) {
  return person.page.waitForFunction(condition);
}
