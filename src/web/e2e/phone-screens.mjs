// The screens of calls over the phone network.

import { answers, BALANCE, ME, MOBILE } from './harness/carrier.mjs';
import { Scripted } from './harness/scripted.mjs';

export async function phoneTour(take, context) {
  const server = await Scripted.start(answers());
  const me = await server.arrive(ME, context);
  const shoot = (what, options) => take(me.page, what, options);
  try {
    await me.online();
    await dialing(me, shoot);
    await talking(me, server, shoot);
    await answering(me, server, shoot);
    await lookingBack(me, shoot);
  } finally {
    await me.leave();
    await server.stop();
  }
}

async function dialing(me, shoot) {
  await me.page.goto(`${me.url}#`);
  await shoot('keypad-app');
  await me.page.locator('label', { has: me.at('via-phone') }).click();
  await shoot('keypad-empty');
  for (const key of '0151') await me.click(`key-${key}`);
  await me.see('price-refused');
  await shoot('not-a-number');
  for (const [what, number] of [
    ['no-credit', '+88213123456'],
    ['not-permitted', '+2456123456'],
    ['no-route', '+8501234567'],
  ]) {
    await me.at('dial-number').fill(number);
    await me.see('price-refused');
    await shoot(what);
  }
  await me.at('dial-number').fill('112');
  await me.see('price-rate');
  await shoot('emergency');
  await me.at('dial-number').fill('0151 12345678');
  await me.see('price-lasts');
  await me.at('hide-number').check();
  await shoot('price', { fullPage: true });
}

async function talking(me, server, shoot) {
  const callId = 'c1';
  await me.click('call-phone');
  await me.see('outgoing');
  server.say({ ringing: { callId } });
  await me.seeText('outgoing-state', 'Ringing');
  await shoot('outgoing');
  const grant = { token: 't', room: 'r' };
  server.say({ progress: { callId, grant } });
  await me.page.waitForFunction(() => globalThis.room);
  await me.page.evaluate(() => globalThis.room.hear());
  await me.click('open-keys');
  await shoot('early-keys');
  server.say({ accepted: { callId, grant, acceptedAt: '1' } });
  server.say({ balance: { ...BALANCE, reservedMicros: '450000' } });
  await me.see('reserved');
  await shoot('in-call');
  await me.page.keyboard.type('1234#');
  await me.seeText('pressed', '1234#');
  await shoot('keys');
  await me.click('close-keys');
  await me.click('toggle-hold');
  await me.see('hold-state');
  await shoot('on-hold');
  server.say({ held: { callId, held: true, byPeer: true } });
  await me.seeText('hold-state', 'both');
  await me.click('toggle-hold');
  await me.seeText('hold-state', 'other side');
  server.say({ warning: { callId, leftMs: 30_000, cause: 'CALL_CAUSE_CREDIT_ENDED' } });
  await me.see('cut-off');
  await shoot('cut-off');
  await me.click('open-devices');
  await me.see('device-panel');
  await shoot('devices');
  await me.click('close-devices');
  server.say({ ended: { callId, cause: 'CALL_CAUSE_CREDIT_ENDED', durationMs: 192_000 } });
  server.say({ balance: { ...BALANCE, bookedMicros: '12500' } });
  await me.seeText('ended-cost', 'It cost');
  await shoot('credit-ended');
  await me.click('dismiss-ended');
}

async function answering(me, server, shoot) {
  const incoming = { via: 'CALL_VIA_PHONE', media: 'CALL_MEDIA_AUDIO', ringsForMs: 60_000 };
  server.say({ incoming: { callId: 'i1', ...incoming } });
  await me.see('incoming');
  await shoot('incoming-hidden');
  await me.click('decline');
  server.say({ incoming: { callId: 'i2', ...incoming, from: { number: MOBILE } } });
  await me.see('incoming');
  await shoot('incoming');
  await me.click('accept-audio');
  server.say({ accepted: { callId: 'i2', grant: { token: 't', room: 'r' }, acceptedAt: '1' } });
  await me.see('phone-badge');
  await shoot('incoming-in-call');
  await me.click('hang-up');
  await me.click('dismiss-ended');
}

async function lookingBack(me, shoot) {
  await me.page.goto(`${me.url}#recent`);
  await me.see('history-entry');
  await shoot('recent');
  await me.click('open-call');
  await me.see('detail-amount');
  await shoot('detail', { fullPage: true });
  await me.click('close-detail');
  await me.click('open-settings');
  await me.see('balance-booked');
  await shoot('settings', { fullPage: true });
}
