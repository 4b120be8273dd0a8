// What the app does with a call over the phone network, with a script in place of server and carrier.

import assert from 'node:assert/strict';
import test from 'node:test';
import { answers, BALANCE, ME, MOBILE } from './harness/carrier.mjs';
import { Scripted } from './harness/scripted.mjs';

const grant = { token: 't', room: 'r' };
const callId = 'c1';

function story(name, tell) {
  test(name, async () => {
    const server = await Scripted.start(answers());
    const me = await server.arrive(ME);
    try {
      await me.online();
      await tell(me, server);
    } catch (error) {
      console.error(await me.page.innerText('body'), me.console);
      throw error;
    } finally {
      await me.leave();
      await server.stop();
    }
  });
}

async function dial(me, number) {
  await me.page.locator('label', { has: me.at('via-phone') }).click();
  await me.at('dial-number').fill(number);
  await me.see('price-rate');
}

async function talk(me, server) {
  await dial(me, '0151 12345678');
  await me.click('call-phone');
  await server.heard('place');
  await me.see('outgoing');
  server.say({ accepted: { callId, grant, acceptedAt: '1' } });
  await me.joined();
}

story('a phone call goes out only with its price and the notice on the screen', async (me, server) => {
  await me.seeText('balance', '$4.37');
  await me.page.locator('label', { has: me.at('via-phone') }).click();
  await me.see('phone-notice');
  assert.ok(await me.at('call-phone').isDisabled());
  for (const key of '112') await me.click(`key-${key}`);
  await me.seeText('price-rate', 'Free');
  assert.equal((await server.heard('quote')).number, '112');
  await me.at('dial-number').fill('0151 12345678');
  await me.seeText('price-rate', '$0.0450 per minute, billed per 6 s after the first 30 s');
  await me.seeText('price-fee', '$0.0125');
  await me.seeText('price-lasts', '1 h 12 min');
  await me.at('hide-number').check();
  await me.click('call-phone');
  const media = 'CALL_MEDIA_AUDIO';
  const place = { number: MOBILE, media, via: 'CALL_VIA_PHONE', quoteId: 'q', anonymous: true };
  assert.deepEqual(await server.heard('place'), place);
  await me.see('phone-notice');
  await me.seeText('outgoing-price', 'Germany, mobile');
});

story('the room of early media is the room of the call', async (me, server) => {
  await dial(me, '0151 12345678');
  await me.click('call-phone');
  await server.heard('place');
  server.say({ progress: { callId, grant } });
  await me.page.waitForFunction(() => globalThis.roomsJoined === 1);
  await me.see('outgoing');
  // An announcement before the answer may ask for keys.
  assert.equal(await me.at('open-keys').count(), 0);
  await me.page.evaluate(() => globalThis.room.hear());
  await me.click('open-keys');
  await me.click('key-1');
  assert.deepEqual(await server.heard('press'), { callId, keys: '1' });
  server.say({ accepted: { callId, grant, acceptedAt: '1' } });
  await me.joined();
  await me.see('elapsed');
  await me.see('phone-badge');
  assert.equal(await me.at('toggle-camera').count(), 0);
  assert.equal(await me.page.evaluate(() => globalThis.roomsJoined), 1);
});

story('keys, hold and the cut-off', async (me, server) => {
  await talk(me, server);
  server.say({ balance: { ...BALANCE, reservedMicros: '450000' } });
  await me.seeText('reserved', '$0.45');
  await me.seeText('running-cost', '$0.035');
  await me.page.keyboard.press('7');
  assert.deepEqual(await server.heard('press'), { callId, keys: '7' });
  await me.click('key-#');
  assert.deepEqual(await server.heard('press'), { callId, keys: '#' });
  await me.seeText('pressed', '7#');
  await me.page.keyboard.press('Escape');
  await me.gone('key-panel');
  await me.click('toggle-hold');
  assert.deepEqual(await server.heard('hold'), { callId, held: true });
  await me.click('toggle-hold');
  assert.deepEqual(await server.heard('hold'), { callId, held: false });
  server.say({ held: { callId, held: true, byPeer: true } });
  await me.seeText('hold-state', 'by the other side');
  await me.seeText('announcer', 'On hold by the other side');
  server.say({ warning: { callId, leftMs: 90_000, cause: 'CALL_CAUSE_CREDIT_ENDED' } });
  await me.seeText('cut-off-left', /1:2\d/);
  await me.seeText('announcer', 'Your credit is running out');
  server.say({ ended: { callId, cause: 'CALL_CAUSE_CREDIT_ENDED', durationMs: 192_000 } });
  await me.seeText('ended-title', 'Your credit ran out');
  await me.seeText('ended-cost', 'It cost $0.161');
});

story('calling back a phone number shows its price first', async (me, server) => {
  await me.click('call-back');
  assert.equal((await server.heard('quote')).number, MOBILE);
  await me.see('price-rate');
  await me.see('home');
  assert.ok(!server.asked.some((one) => one.kind === 'place'));
  await me.click('open-call');
  await me.seeText('detail-amount', '$0.161');
  await me.seeText('detail-sound', 'Good');
  await me.seeText('detail-cause', 'used up');
});

story('a hidden number rings as a phone call, without pictures', async (me, server) => {
  const incoming = { callId: 'i', via: 'CALL_VIA_PHONE', media: 'CALL_MEDIA_AUDIO' };
  server.say({ incoming: { ...incoming, ringsForMs: 60_000 } });
  await me.seeText('incoming-name', 'Hidden number');
  await me.see('phone-notice');
  assert.equal(await me.at('accept-video').count(), 0);
  await me.click('accept-audio');
  assert.equal((await server.heard('accept')).callId, 'i');
});

story('zero held down is a plus, and the erase key takes the last digit', async (me) => {
  const zero = await me.at('key-0').boundingBox();
  await me.page.mouse.move(zero.x + 20, zero.y + 20);
  await me.page.mouse.down();
  await me.page.waitForFunction(() => document.querySelector('input.dial').value === '+');
  await me.page.mouse.up();
  await me.page.keyboard.type('49');
  await me.click('key-1');
  assert.equal(await me.at('dial-number').inputValue(), '+491');
  await me.click('erase');
  assert.equal(await me.at('dial-number').inputValue(), '+49');
});
