// How long a person waits: calls between two browsers on this machine, medians over several.
//   node e2e/measure.mjs [CALLS]
// Clicks and sights are timed from outside the pages, so each figure holds some 10 ms of the driver.

import { Person } from './harness/person.mjs';
import { Server } from './harness/server.mjs';

const calls = Number(process.argv[2] ?? 7);
const server = await Server.start({ extra: '[calls]\nplaces_per_minute = 600\n' });
const figures = new Map();
try {
  const [ada, bob] = await Promise.all([Person.arrive(server.url), Person.arrive(server.url)]);
  await Promise.all([ada.signUp('+12025550101', 'Ada'), bob.signUp('+12025550102', 'Bob')]);
  for (let i = 0; i < calls; i += 1) await measureCall(ada, bob);
  for (const [what, values] of figures) {
    values.sort((a, b) => a - b);
    const at = (share) => Math.round(values[Math.floor((values.length - 1) * share)]);
    console.log(`| ${what} | ${at(0.5)} | ${at(0)} to ${at(1)} |`);
  }
  await Promise.all([ada.leave(), bob.leave()]);
} finally {
  await server.stop();
}

async function measureCall(ada, bob) {
  await ada.at('dial-number').fill(bob.number);
  const placed = Date.now();
  const note = (what, from) => () => {
    figures.set(what, [...(figures.get(what) ?? []), Date.now() - from]);
  };
  await ada.click('call-video');
  await Promise.all([
    bob.see('accept-video').then(note('invite to ring: callee sees the call, ms', placed)),
    ada.seeText('outgoing-state', 'Ringing').then(note('invite to "ringing" at the caller, ms', placed)),
  ]);
  const accepted = Date.now();
  await bob.click('accept-video');
  await Promise.all([
    Promise.all([ada.joined(), bob.joined()]).then(note('accept to both joined, ms', accepted)),
    ada.hears().then(note('accept to first audio at the caller, ms', accepted)),
    bob.hears().then(note('accept to first audio at the callee, ms', accepted)),
    firstFrame(ada).then(note('accept to first video frame at the caller, ms', accepted)),
    firstFrame(bob).then(note('accept to first video frame at the callee, ms', accepted)),
  ]);
  await ada.click('hang-up');
  await Promise.all([ada.see('dial-number'), bob.see('dial-number')]);
}

function firstFrame(person) {
  const shown = () => document.querySelector('[data-testid=remote-video]')?.videoWidth > 0;
  return person.page.waitForFunction(shown, undefined, { polling: 'raf' });
}
