// How long a person waits for a phone: calls to the demo carrier, medians over several.
//   node e2e/measure-phone.mjs [CALLS]
// Clicks and sights are timed from outside the page, so each figure holds some 10 ms of the driver,
// and a tone is looked for every 50 ms over 170 ms of sound.

import { far, Network, phoneSettings } from './harness/network.mjs';
import { Person } from './harness/person.mjs';
import { Server } from './harness/server.mjs';

const calls = Number(process.argv[2] ?? 7);
const options = { credit: '500.00', calls: 'places_per_minute = 600' };
const server = await Server.start({ extra: phoneSettings(options) });
const network = new Network(server);
const figures = new Map();
const note = (what, from) => {
  figures.set(what, [...(figures.get(what) ?? []), Date.now() - from]);
};
try {
  await network.open();
  // In place of the built-in limits, under which a new account makes six calls a minute.
  const rule = ['measure=calls_per_minute', 'limit=600', 'newcomer_limit=600', 'action=block'];
  await network.online('fraud', 'put', 'measuring', ...rule.flatMap((one) => ['--set', one]));
  const ada = await Person.arrive(server.url);
  await ada.signUp('+12025550101', 'Ada');
  for (let i = 0; i < calls; i += 1) {
    await measureRinging(ada);
    await measureEarly(ada);
  }
  for (const [what, values] of figures) {
    values.sort((a, b) => a - b);
    const at = (share) => Math.round(values[Math.floor((values.length - 1) * share)]);
    console.log(`| ${what} | ${at(0.5)} | ${at(0)} to ${at(1)} |`);
  }
  await ada.leave();
} finally {
  await network.close();
  await server.stop();
}

async function measureRinging(ada) {
  const line = await dial(ada, far('01'), async (dialed) => {
    await ada.seeText('outgoing-state', 'Ringing');
    note('call to "ringing", ms', dialed);
  });
  const { at } = await line.answered();
  await ada.hearsTone(440);
  note('answer to the tone in the browser, ms', at);
  await ada.joined();
  await hangUp(ada, line);
}

async function measureEarly(ada) {
  const line = await dial(ada, far('05'), async (dialed) => {
    await ada.hearsTone(697);
    note('call to the announcement in the browser, ms', dialed);
  });
  await ada.joined();
  await hangUp(ada, line);
}

async function dial(ada, number, meanwhile) {
  await ada.dialPhone(number);
  await ada.see('price-rate');
  const dialed = Date.now();
  await ada.click('call-phone');
  const arrives = network.company.called().then((line) => {
    note('call to the INVITE at the carrier, ms', dialed);
    return line;
  });
  const [line] = await Promise.all([arrives, meanwhile(dialed)]);
  return line;
}

async function hangUp(ada, line) {
  await ada.click('hang-up');
  await line.ended();
  await ada.see('dial-number');
}
