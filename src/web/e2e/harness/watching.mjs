// One browser shows another its camera and microphone, through the server or from browser to browser, and what the
// second one gets of it.

import { createRequire } from 'node:module';

const sdk = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, '');

/** In a room of the server, as our app publishes and watches. */
export async function throughServer(server, room, { shows, watches }) {
  for (const [person, identity] of [
    [shows, 'shows'],
    [watches, 'watches'],
  ]) {
    await person.page.goto(server.url);
    await person.page.addScriptTag({ path: `${sdk}livekit-client.umd.js` });
    await person.page.evaluate(prepareScreen);
    const token = await server.token(room, identity);
    await person.page.evaluate(prepareRoom, [server.url.replace('http', 'ws'), token]);
  }
  await shows.page.evaluate(() => bench.connect().then(() => bench.publish()));
  await watches.page.evaluate(() => bench.connect());
}

/** One peer connection with one layer. */
export async function directly(server, { shows, watches }) {
  for (const person of [shows, watches]) {
    await person.page.goto(server.url);
    await person.page.evaluate(prepareScreen);
  }
  const offer = await shows.page.evaluate(offerCamera);
  const answer = await watches.page.evaluate(answerCamera, offer);
  await shows.page.evaluate((sdp) => bench.peer.setRemoteDescription({ type: 'answer', sdp }), answer);
}

/** From when the watcher began to join to its first picture, in milliseconds. */
export function firstPicture(watches) {
  return watches.page
    .waitForFunction(() => bench.frames.length > 0)
    .then(() => watches.page.evaluate(() => bench.frames[0] - bench.began));
}

/** What both browsers count, and when. */
export async function look({ shows, watches }) {
  const [sent, got] = await Promise.all([shows.stats(), watches.page.evaluate(countedHere)]);
  const pairs = sent.filter((one) => one.type === 'candidate-pair' && one.nominated);
  const estimates = pairs.map((pair) => pair.availableOutgoingBitrate ?? 0);
  const encoders = sent.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
  const short = encoders.map((one) => one.qualityLimitationDurations?.cpu ?? 0);
  return { ...got, estimate: Math.max(0, ...estimates), cpuLimited: Math.max(0, ...short) };
}

/** Runs in the page: an element of the camera's size, and when a picture came to it. */
function prepareScreen() {
  const video = document.createElement('video');
  Object.assign(video, { autoplay: true, muted: true });
  Object.assign(video.style, { width: '1280px', height: '720px' });
  document.body.replaceChildren(video);
  const bench = { video, frames: [] };
  const note = (now) => {
    bench.frames.push(now);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
  const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  Object.assign(bench, { sound, width: 1280, height: 720 });
  window.bench = bench;
}

/** Runs in the page, with the SDK in it. */
function prepareRoom([url, token]) {
  const { Room, RoomEvent, createLocalAudioTrack, createLocalVideoTrack } = LivekitClient;
  const room = new Room({ adaptiveStream: { pixelDensity: 1 }, dynacast: true });
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === 'video') track.attach(bench.video);
    else track.attach();
  });
  bench.connect = () => {
    bench.began = performance.now();
    return room.connect(url, token);
  };
  bench.publish = async () => {
    const { width, height, sound } = bench;
    const camera = await createLocalVideoTrack({ resolution: { width, height } });
    await room.localParticipant.publishTrack(await createLocalAudioTrack(sound));
    await room.localParticipant.publishTrack(camera, { simulcast: true, videoCodec: 'vp8' });
  };
}

/** Runs in the page: an offer with every candidate in it, and the most the SDK allows its largest layer. */
async function offerCamera() {
  const { width, height, sound } = bench;
  const media = await navigator.mediaDevices.getUserMedia({ audio: sound, video: { width, height } });
  const peer = new RTCPeerConnection();
  const [camera] = media.getVideoTracks();
  peer.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly' });
  const sendEncodings = [{ maxBitrate: 1_700_000 }];
  const picture = peer.addTransceiver(camera, { direction: 'sendonly', sendEncodings });
  const { codecs } = RTCRtpSender.getCapabilities('video');
  const wanted = /VP8|rtx|red|ulpfec/;
  picture.setCodecPreferences(codecs.filter(({ mimeType }) => wanted.test(mimeType)));
  bench.peer = peer;
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => (peer.onicegatheringstatechange = resolve));
  }
  return peer.localDescription.sdp;
}

/** Runs in the page: an answer without candidates, so that the way of the offer's is the only one. */
async function answerCamera(sdp) {
  bench.began = performance.now();
  const peer = new RTCPeerConnection();
  bench.peer = peer;
  bench.video.srcObject = new MediaStream();
  peer.ontrack = ({ track }) => {
    if (track.kind === 'video') {
      bench.video.srcObject.addTrack(track);
      return;
    }
    const audio = new Audio();
    audio.srcObject = new MediaStream([track]);
    void audio.play();
  };
  await peer.setRemoteDescription({ type: 'offer', sdp });
  await peer.setLocalDescription();
  const lines = peer.localDescription.sdp.split('\r\n');
  return lines.filter((line) => !line.startsWith('a=candidate')).join('\r\n');
}

/** Runs in the page. */
async function countedHere() {
  const reports = await window.instruments.stats();
  const at = performance.now();
  const inbound = (kind) =>
    reports.find((one) => one.type === 'inbound-rtp' && one.kind === kind) ?? {};
  const transports = reports.filter((one) => one.type === 'transport');
  const wire = transports.reduce((sum, one) => sum + one.bytesReceived, 0);
  const video = inbound('video');
  const audio = inbound('audio');
  const frames = bench.frames.splice(1);
  bench.frames.push(...frames.slice(-1));
  return { at, wire, video, audio, frames };
}
