// Pictures of every screen, on a phone and on a desk, by day and by night, for somebody to look at:
//   node e2e/screens.mjs FOLDER [app|phone]
// The screens of calls over the phone network come from a script, all others from the real server.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Person } from './harness/person.mjs';
import { Gate, Server } from './harness/server.mjs';
import { phoneTour } from './phone-screens.mjs';

const [folder, only] = process.argv.slice(2);
if (!folder) throw new Error('name the folder for the pictures');
await mkdir(folder, { recursive: true });

const SIZES = {
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true },
  desk: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 },
};

const LOOKS = Object.entries(SIZES).flatMap(([size, shape]) =>
  ['light', 'dark'].map((colorScheme) => {
    return [`${size}-${colorScheme}`, { ...shape, colorScheme, reducedMotion: 'reduce' }];
  }),
);

let server;
let gate;
let numbers = 0;
const number = () => `+1202555${String((numbers += 1)).padStart(4, '0')}`;
if (only !== 'phone') await appTours();
if (only !== 'app') {
  for (const [name, context] of LOOKS) await phoneTour(camera(`${name}-phone`), context);
}

async function appTours() {
  server = await Server.start();
  gate = await Gate.before(server);
  try {
    for (const [name, context] of LOOKS) await tour(name, context);
  } catch (error) {
    console.error(await server.log());
    throw error;
  } finally {
    await gate.remove();
    await server.stop();
  }
}

/** Takes numbered pictures. */
function camera(name) {
  let count = 0;
  return async (page, what, options = {}) => {
    count += 1;
    const file = `${name}-${String(count).padStart(2, '0')}-${what}.png`;
    await page.screenshot({ path: path.join(folder, file), ...options });
  };
}

async function tour(name, context) {
  const ada = await Person.arrive(server.url);
  const me = await Person.arrive(gate.url, { context });
  const take = camera(name);
  const shoot = (what, options) => take(me.page, what, options);
  try {
    await ada.signUp(number(), 'Ada Lovelace');
    await signingIn(me, shoot);
    await ringing(me, ada, shoot);
    await talking(me, ada, shoot);
    await around(me, ada, shoot);
  } finally {
    await Promise.all([ada.leave(), me.leave()]);
  }
}

async function signingIn(me, shoot) {
  me.number = number();
  await shoot('number');
  await me.click('send-code');
  await shoot('number-missing');
  await me.at('number').fill(me.number);
  await me.click('send-code');
  await me.at('code').fill('999999');
  await me.click('verify');
  await me.seeText('code-error', 'not right');
  await shoot('code-wrong');
  await me.at('code').fill('123456');
  await me.click('verify');
  await me.at('display-name').fill('Marie Curie');
  await shoot('name');
  await me.click('save-name');
  await me.online();
  await shoot('home-empty');
}

async function ringing(me, ada, shoot) {
  await ada.call(me.number);
  await me.see('incoming');
  await shoot('incoming-video');
  await ada.click('cancel');
  await me.see('ended');
  await shoot('missed');
  await ada.call(me.number, { video: false });
  await me.see('incoming');
  await shoot('incoming-audio');
  await me.click('decline');
  await me.call(ada.number);
  await me.seeText('outgoing-state', 'Ringing');
  await me.page.waitForFunction(
    () => document.querySelector('[data-testid=preview]')?.videoWidth > 0,
  );
  await shoot('outgoing-video');
  await ada.click('decline');
  await me.see('ended');
  await shoot('declined');
  await me.call('+12025559999', { video: false });
  await me.see('ended');
  await shoot('unreachable');
}

async function talking(me, ada, shoot) {
  await ada.call(me.number);
  await me.click('accept-video');
  await me.joined();
  await me.hearsAndSees();
  await shoot('video-call');
  await me.click('open-devices');
  await me.see('device-panel');
  await shoot('device-panel');
  await me.click('close-devices');
  await ada.click('toggle-mic');
  await me.see('peer-muted');
  await ada.click('toggle-camera');
  await me.see('peer-camera-off');
  await me.click('toggle-mic');
  await shoot('peer-muted-and-dark');
  await ada.click('toggle-screen');
  await me.see('remote-screen');
  await me.seesMotion('remote-screen').catch(() => undefined);
  await shoot('screen-share');
  gate.shut();
  await me.page.locator('[data-testid=signal-away], [data-testid=reconnecting]').first().waitFor();
  await shoot('reconnecting');
  gate.reopen();
  await me.gone('signal-away');
  await me.gone('reconnecting');
  await ada.click('hang-up');
  await me.see('ended');
  await shoot('ended');
  await me.call(ada.number, { video: false });
  await ada.click('accept-audio');
  await me.joined();
  await me.hears();
  await shoot('audio-call');
}

async function around(me, ada, shoot) {
  const second = await me.context.newPage();
  await second.goto(me.url);
  await second.getByTestId('elsewhere').waitFor();
  const first = me.page;
  me.page = second;
  await shoot('call-in-other-tab');
  await second.close();
  me.page = first;
  await me.click('hang-up');
  await me.click('dismiss-ended');
  await me.page.goto(`${me.url}#recent`);
  await me.seeText('history-entry', 'Declined');
  await shoot('recent');
  await me.click('open-call');
  await me.see('call-detail');
  await shoot('app-call-detail');
  await me.page.goto(`${me.url}#`);
  await shoot('home');
  await me.click('open-settings');
  await me.see('device');
  await shoot('settings', { fullPage: true });
  await me.click('close-settings');
  gate.shut();
  await me.see('offline');
  await shoot('offline');
  gate.reopen();
  await me.gone('offline');
}
