// What a browser gets through narrow and lossy links, through the server and from browser to browser.
//   node e2e/measure-against-direct.mjs [PART OF A CONDITION'S NAME]
// One browser shows its camera, another watches; only the second one's media goes through the link,
// both ways. Under each condition the server comes first, then the direct call, each watched for 10 s
// from its fifth second on. OFFHOOK_E2E_TRACE prints every second of it to standard error,
// OFFHOOK_E2E_LOG names a file for the server's log.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { LinkedWay } from './harness/link.mjs';
import { Person } from './harness/person.mjs';
import { sceneFlags } from './harness/scene.mjs';
import { Server } from './harness/server.mjs';
import { directly, firstPicture, look, throughServer } from './harness/watching.mjs';

const lossy = (percent) => ['--delay', '25', '--loss', String(percent / 100)];
const narrow = (rate) => ['--delay', '50', '--queue', '200', '--rate', rate];
const steady = (name, link) => ({ name, steps: [{ name: '', link, until: 15 }] });
const CONDITIONS = [
  ...[0, 2, 5, 10].map((percent) => steady(`${percent} % loss, 25 ms`, lossy(percent))),
  ...['300k', '500k', '1M', '2M', '3M'].map((rate) => steady(`${rate}bit/s, 50 ms`, narrow(rate))),
  {
    name: 'rate falls and recovers, 50 ms:',
    steps: [
      { name: '2 Mbit/s', link: narrow('2M'), until: 10 },
      { name: 'then 500 kbit/s', link: narrow('500k'), until: 20 },
      { name: 'then 2 Mbit/s', link: narrow('2M'), until: 30 },
    ],
  },
];
/** Before that a connection starts up. */
const STEADY_AFTER = 5;

const HEAD = [
  'link, each way',
  'through',
  'first picture, ms',
  'video, kbit/s',
  'on the wire, kbit/s',
  'frames/s',
  'height: share of the time, %',
  'quantizer',
  'freezes',
  'frozen, s',
  'longest wait, ms',
  'sound concealed, %',
  'NACK / PLI',
  "sender's estimate, kbit/s",
];

const folder = await mkdtemp(path.join(tmpdir(), 'offhook-links-'));
const flags = [...(await sceneFlags(folder)), '--allow-loopback-in-peer-connection'];
const chosen = CONDITIONS.filter(({ name }) => name.includes(process.argv[2] ?? ''));
const server = await Server.start();
const way = new LinkedWay([]);
const people = {};
try {
  people.shows = await Person.arrive(server.url, { context: { bypassCSP: true }, flags });
  const { prepare } = way;
  people.watches = await Person.arrive(server.url, { context: { bypassCSP: true }, flags, prepare });
  console.log(`| ${HEAD.join(' | ')} |\n|${'---|'.repeat(HEAD.length)}`);
  for (const [nth, condition] of chosen.entries()) {
    await measure(condition, 'server', () => throughServer(server, `links-${nth}`, people));
    await measure(condition, 'direct', () => directly(server, people));
  }
} finally {
  if (process.env.OFFHOOK_E2E_LOG) await writeFile(process.env.OFFHOOK_E2E_LOG, await server.log());
  await Promise.all(Object.values(people).map((person) => person.leave()));
  await way.remove();
  await server.stop();
  await rm(folder, { recursive: true });
}

async function measure({ name, steps }, through, meet) {
  await way.remove();
  await way.change(steps[0].link);
  await meet();
  const { watches } = people;
  const first = await firstPicture(watches).catch(() => NaN);
  const began = await watches.page.evaluate(() => bench.began);
  const looks = [];
  let from = STEADY_AFTER;
  for (const [nth, step] of steps.entries()) {
    if (nth > 0) await way.change(step.link);
    do {
      await pass(1_000);
      const seen = await look(people);
      looks.push({ ...seen, second: (seen.at - began) / 1000 });
    } while (looks.at(-1).second < step.until);
    const within = looks.filter(({ second }) => second >= from - 0.5);
    const cells = [`${name} ${step.name}`.trim(), through, nth === 0 ? Math.round(first) : ''];
    console.log(`| ${[...cells, ...read(within, through)].join(' | ')} |`);
    from = step.until;
  }
  if (process.env.OFFHOOK_E2E_TRACE) looks.forEach(trace);
}

/** The rest of a row of the table. */
function read(looks, through) {
  const [a, b] = [looks[0], looks.at(-1)];
  const seconds = (b.at - a.at) / 1000;
  const grown = (kind, field) => (b[kind][field] ?? 0) - (a[kind][field] ?? 0);
  const perSecond = (amount) => Math.round(amount / seconds);
  const frames = grown('video', 'framesDecoded');
  const concealed = grown('audio', 'concealedSamples') / grown('audio', 'totalSamplesReceived');
  const mean = looks.reduce((sum, { estimate }) => sum + estimate, 0) / looks.length;
  return [
    perSecond((grown('video', 'bytesReceived') * 8) / 1000),
    perSecond(((b.wire - a.wire) * 8) / 1000),
    (frames / seconds).toFixed(1),
    heights(looks.slice(1)),
    frames ? Math.round(grown('video', 'qpSum') / frames) : '',
    grown('video', 'freezeCount'),
    grown('video', 'totalFreezesDuration').toFixed(1),
    longestWait(looks),
    (100 * concealed).toFixed(1),
    `${grown('video', 'nackCount')} / ${grown('video', 'pliCount')}`,
    through === 'direct' ? Math.round(mean / 1000) : '',
  ];
}

function heights(looks) {
  const counts = new Map();
  for (const { video } of looks) {
    const height = video.frameHeight ?? 0;
    counts.set(height, (counts.get(height) ?? 0) + 1);
  }
  const largest = [...counts].sort(([a], [b]) => b - a);
  return largest.map(([height, n]) => `${height}: ${Math.round((100 * n) / looks.length)}`).join(', ');
}

/** Between two pictures, to the last look too. */
function longestWait(looks) {
  const times = looks.slice(1).flatMap(({ frames }) => frames);
  const all = [looks[0].at, ...times.filter((at) => at > looks[0].at), looks.at(-1).at];
  return Math.round(Math.max(...all.slice(1).map((at, i) => at - all[i])));
}

function trace({ second, video, estimate, cpuLimited, wire }) {
  const { frameHeight, framesDecoded, freezeCount, packetsLost, nackCount, pliCount } = video;
  const seen = { frameHeight, framesDecoded, freezeCount, packetsLost, nackCount, pliCount };
  const { keyFramesDecoded } = video;
  console.error(second.toFixed(1), JSON.stringify({ ...seen, keyFramesDecoded, estimate, cpuLimited, wire }));
}
