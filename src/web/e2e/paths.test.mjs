// Ways around a network that takes no UDP, and a way that changes in the middle of a call.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { story } from './harness/story.mjs';

/** What a page's connections go over now: the candidates of the pairs in use. */
async function inUse(person) {
  const reports = await person.stats();
  const of = (id) => reports.find((report) => report.id === id);
  const transports = reports.filter((report) => report.type === 'transport');
  return transports.map((transport) => {
    const pair = of(transport.selectedCandidatePairId);
    return { local: of(pair.localCandidateId), remote: of(pair.remoteCandidateId), transport };
  });
}

story('sound and picture over TCP', { media: 'tcp_only = true' }, async (stage) => {
  const { ada, bob } = await stage.twoInCall();
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  for (const person of [ada, bob]) {
    const ways = await inUse(person);
    assert.ok(ways.length > 0, 'a transport');
    for (const { remote } of ways) assert.equal(remote.protocol, 'tcp');
  }
  await ada.click('hang-up');
  await bob.seeText('ended-title', 'Ada ended the call');
});

/** A certificate for localhost, and the flag with which a browser takes it for good. */
function certificate() {
  const folder = mkdtempSync(path.join(tmpdir(), 'offhook-e2e-cert-'));
  const [cert, key] = ['cert.pem', 'key.pem'].map((file) => path.join(folder, file));
  const openssl = (args, input) => execFileSync('openssl', args, { input, stdio: 'pipe' });
  openssl(
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'].concat(
      ['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
      ['-addext', 'subjectAltName=DNS:localhost'],
    ),
  );
  const shown = openssl(['x509', '-in', cert, '-pubkey', '-noout']);
  const plain = openssl(['pkey', '-pubin', '-outform', 'der'], shown);
  const hash = openssl(['dgst', '-sha256', '-binary'], plain).toString('base64');
  return { cert, key, flag: `--ignore-certificate-errors-spki-list=${hash}` };
}

const { cert, key, flag } = certificate();
const tls = `tls_certificate = "${cert}"\ntls_key = "${key}"\nturn_host = "localhost"`;

story('sound and picture through TURN over TLS and nothing else', { media: tls }, async (stage) => {
  const relayOnly = {
    flags: [flag],
    prepare: (context) => context.addInitScript(onlyRelays),
  };
  const { ada, bob } = await stage.twoInCall({ ada: relayOnly, bob: relayOnly });
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  for (const person of [ada, bob]) {
    const ways = await inUse(person);
    assert.ok(ways.length > 0, 'a transport');
    for (const { local } of ways) {
      assert.equal(local.candidateType, 'relay');
      assert.equal(local.relayProtocol, 'tls');
    }
  }
});

/** Runs in the page: no connection uses anything but TURN. */
function onlyRelays() {
  const Before = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Before {
    constructor(options) {
      super({ ...options, iceTransportPolicy: 'relay' });
    }

    setConfiguration(options) {
      super.setConfiguration({ ...options, iceTransportPolicy: 'relay' });
    }
  };
}

// A client that comes back after its signaling connection broke restarts ICE: new credentials, new ports.
story('an ICE restart in the middle of a call loses nothing', {}, async (stage) => {
  const gate = await stage.gate();
  const { ada, bob } = await stage.twoInCall({ bob: { url: gate.url } });
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  const before = { ways: await inUse(bob), heard: await received(bob) };
  gate.shut();
  await bob.page.locator('[data-testid=signal-away], [data-testid=reconnecting]').first().waitFor();
  gate.reopen();
  await bob.page.waitForFunction(
    async (old) => {
      const reports = await window.instruments.stats();
      const transports = reports.filter((report) => report.type === 'transport');
      const now = transports.map((one) => one.iceLocalUsernameFragment);
      return now.length > 0 && now.every((name) => name && !old.includes(name));
    },
    before.ways.map(({ transport }) => transport.iceLocalUsernameFragment),
    { polling: 100 },
  );
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  const after = await received(bob);
  assert.ok(after.packets > before.heard.packets, 'packets go on');
  assert.equal(after.lost, before.heard.lost, 'and none is lost');
});

/** Packets that a page got, and that it missed. */
async function received(person) {
  const reports = (await person.stats()).filter((report) => report.type === 'inbound-rtp');
  const sum = (field) => reports.reduce((total, report) => total + (report[field] ?? 0), 0);
  return { packets: sum('packetsReceived'), lost: sum('packetsLost') };
}

// RFC 9725 §4.3.3: a plain RTCPeerConnection publishes over WHIP and restarts ICE with a PATCH.
story('a WHIP publisher restarts ICE and its viewer loses nothing', {}, async (stage) => {
  const publisher = await stage.arrive({ context: { bypassCSP: true } });
  const viewer = await stage.arrive({ context: { bypassCSP: true } });
  for (const [person, door] of [
    [publisher, 'whip'],
    [viewer, 'whep'],
  ]) {
    const token = await stage.server.token('studio', door);
    await person.page.evaluate(connect, { door, room: 'studio', token });
  }
  await viewer.seesMotion('video');
  const before = await received(viewer);
  const names = await publisher.page.evaluate(restart);
  assert.notEqual(names.before, names.after);
  await publisher.page.waitForFunction(async (name) => {
    const reports = await window.instruments.stats();
    const transports = reports.filter((report) => report.type === 'transport');
    return transports.some((one) => one.iceLocalUsernameFragment === name && one.iceState === 'connected');
  }, names.after);
  await viewer.seesMotion('video');
  const after = await received(viewer);
  assert.ok(after.packets > before.packets, 'packets go on');
  assert.equal(after.lost, before.lost, 'and none is lost');
});

/** Runs in the page: a session over WHIP or WHEP. */
async function connect({ door, room, token }) {
  const peer = new RTCPeerConnection();
  const video = document.createElement('video');
  Object.assign(video, { autoplay: true, muted: true, width: 320 });
  video.dataset.testid = 'video';
  document.body.replaceChildren(video);
  if (door === 'whip') {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of media.getTracks()) peer.addTransceiver(track, { direction: 'sendonly' });
  } else {
    video.srcObject = new MediaStream();
    peer.ontrack = ({ track }) => video.srcObject.addTrack(track);
    for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' });
  }
  await peer.setLocalDescription();
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`/${door}/${room}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/sdp' },
    body: peer.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${door}: ${answer.status} ${await answer.text()}`);
  const sdp = await answer.text();
  await peer.setRemoteDescription({ type: 'answer', sdp });
  window.session = { peer, headers, location: answer.headers.get('location') };
}

/** Runs in the page: new credentials on both sides, by PATCH. */
async function restart() {
  const { peer, headers, location } = window.session;
  const value = (sdp, name) => sdp.match(new RegExp(`a=${name}:(\\S+)`))[1];
  const before = value(peer.localDescription.sdp, 'ice-ufrag');
  const earlier = peer.remoteDescription.sdp;
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
  const { sdp } = peer.localDescription;
  const [ufrag, pwd] = ['ice-ufrag', 'ice-pwd'].map((name) => value(sdp, name));
  const answer = await fetch(location, {
    method: 'PATCH',
    headers: { ...headers, 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
    body: `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\n`,
  });
  if (answer.status !== 200) throw new Error(`PATCH: ${answer.status} ${await answer.text()}`);
  const fragment = await answer.text();
  const renewed = earlier
    .replace(/a=ice-ufrag:\S+/g, `a=ice-ufrag:${value(fragment, 'ice-ufrag')}`)
    .replace(/a=ice-pwd:\S+/g, `a=ice-pwd:${value(fragment, 'ice-pwd')}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: renewed });
  return { before, after: ufrag };
}
