// What a browser sees and hears behind a narrow or lossy link: two Chromium, the way from the server to each of them
// impaired by `offhook-loadtest link`, and what the callee's getStats tells of 20 seconds.
//   node e2e/measure-links.mjs [CONDITION...]

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { built } from './harness/binaries.mjs';
import { Person } from './harness/person.mjs';
import { Server } from './harness/server.mjs';

const CONDITIONS = {
  open: [],
  '300 kbit/s': ['--rate', '300k', '--delay', '20'],
  '500 kbit/s': ['--rate', '500k', '--delay', '20'],
  '1 Mbit/s': ['--rate', '1M', '--delay', '20'],
  '3 Mbit/s': ['--rate', '3M', '--delay', '20'],
  '2 % loss': ['--loss', '2%', '--delay', '20'],
  '5 % loss': ['--loss', '5%', '--delay', '20'],
  '10 % loss': ['--loss', '10%', '--delay', '20'],
};
const FAST_CAMERA = '--use-fake-device-for-media-stream=fps=30';
const SETTLE_MS = 8_000;
const WATCH_MS = 20_000;

async function measure(name, impairment) {
  const port = await freePort();
  const paths = `bind = "127.0.0.1"\nudp_port = ${port}\ntcp_ports = []\nadvertise = ["127.0.0.2"]`;
  const link = await Link.start(port, impairment);
  const server = await Server.start({ paths });
  try {
    const people = [0, 1].map(() => Person.arrive(server.url, { flags: [FAST_CAMERA] }));
    const [ada, bob] = await Promise.all(people);
    await Promise.all([ada.signUp('+12025550101', 'Ada'), bob.signUp('+12025550102', 'Bob')]);
    await ada.at('dial-number').fill(bob.number);
    await ada.click('call-video');
    await bob.click('accept-video');
    await Promise.all([ada.joined(), bob.joined()]);
    await bob.page.waitForTimeout(SETTLE_MS);
    const before = await received(bob);
    await bob.page.waitForTimeout(WATCH_MS);
    const after = await received(bob);
    const levels = await fetch(`http://127.0.0.1:${server.admin}/metrics`).then((r) => r.text());
    const level = (kind) => levels.match(new RegExp(`media_level{kind="${kind}"} (\\d+)`))?.[1];
    await Promise.all([ada.leave(), bob.leave()]);
    return row(name, before, after, [level('estimated_legs'), level('narrow_legs')]);
  } finally {
    await server.stop();
    link.child.kill('SIGTERM');
  }
}

async function received(person) {
  const all = await person.page.evaluate(() => window.instruments.stats());
  const inbound = (kind) => all.filter((one) => one.type === 'inbound-rtp' && one.kind === kind);
  const best = (kind, by) => inbound(kind).sort((a, b) => (b[by] ?? 0) - (a[by] ?? 0))[0] ?? {};
  return { video: best('video', 'bytesReceived'), audio: best('audio', 'bytesReceived') };
}

function row(name, before, after, levels) {
  const seconds = WATCH_MS / 1000;
  const since = (kind, what) => (after[kind][what] ?? 0) - (before[kind][what] ?? 0);
  const concealed = since('audio', 'concealedSamples') - since('audio', 'silentConcealedSamples');
  const share = (100 * concealed) / Math.max(1, since('audio', 'totalSamplesReceived'));
  const frozen = Math.round(since('video', 'totalFreezesDuration') * 1000);
  const cells = [
    name,
    (since('video', 'framesDecoded') / seconds).toFixed(1),
    after.video.frameHeight ?? 0,
    Math.round((since('video', 'bytesReceived') * 8) / 1000 / seconds),
    `${since('video', 'freezeCount')}, ${frozen}`,
    share.toFixed(1),
    levels.join(' / '),
  ];
  return `| ${cells.join(' | ')} |`;
}

async function freePort() {
  const socket = createSocket('udp4').bind(0, '127.0.0.2');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** What is between the server and the browsers. */
class Link {
  static async start(port, impairment) {
    const link = new Link();
    const where = ['--listen', `127.0.0.2:${port}`, '--to', `127.0.0.1:${port}`, '--way', 'down'];
    const program = built('offhook-loadtest', 'LOADTEST_BIN');
    link.child = spawn(program, ['link', ...where, ...impairment], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface({ input: link.child.stdout }), 'line');
    return link;
  }
}

const wanted = process.argv.slice(2);
const names = Object.keys(CONDITIONS).filter((name) => !wanted.length || wanted.includes(name));
console.log('| link | frames a second | height | kbit/s | freezes, ms frozen | concealed sound, % | estimated / narrow legs |');
console.log('|---|---|---|---|---|---|---|');
for (const name of names) console.log(await measure(name, CONDITIONS[name]));
