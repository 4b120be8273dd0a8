// The screens of calls over the phone network.

import { Scripted } from './harness/scripted.mjs';

const ME = { id: 'u', number: '+12025550105', displayName: 'Marie Curie' };
const MOBILE = '+4915112345678';
const CENTS = { currency: 'USD' };

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

const BALANCE = { bookedMicros: '4372500', creditLimitMicros: '0', ...CENTS };

const QUOTE = {
  quoteId: 'q',
  number: MOBILE,
  destination: 'Germany, mobile',
  perMinuteMicros: '45000',
  connectionFeeMicros: '12500',
  firstIncrementS: 30,
  nextIncrementS: 6,
  validForMs: 60_000,
  longestS: 4_320,
  ...CENTS,
};

const REFUSALS = {
  '+88213123456': { code: 'ERROR_CODE_NO_CREDIT' },
  '+2456123456': {
    code: 'ERROR_CODE_NOT_PERMITTED',
    message: 'calls to this country are off for new accounts; ask support@example.net',
  },
  '+8501234567': { code: 'ERROR_CODE_NO_ROUTE' },
  '0151': { code: 'ERROR_CODE_BAD_NUMBER' },
};

function answers() {
  const peer = { number: MOBILE, displayName: '' };
  const at = Date.now() - 3_600_000;
  const past = (callId, fields) => ({
    callId,
    direction: 'CALL_DIRECTION_OUTGOING',
    peer,
    media: 'CALL_MEDIA_AUDIO',
    cause: 'CALL_CAUSE_HUNG_UP',
    placedAt: String(at),
    acceptedAt: String(at + 8_000),
    endedAt: String(at + 200_000),
    via: 'CALL_VIA_PHONE',
    ...fields,
  });
  const calls = [
    past('c1', { cause: 'CALL_CAUSE_CREDIT_ENDED', chargeMicros: '161000', ...CENTS }),
    past('h1', { peer: {}, direction: 'CALL_DIRECTION_INCOMING', acceptedAt: '0' }),
    past('h2', { peer: { number: '+12025550101', displayName: 'Ada Lovelace' }, via: 1 }),
  ];
  const charge = {
    callId: 'c1',
    ...QUOTE,
    talkedMs: '192000',
    billedS: '198',
    amountMicros: '161000',
    mos: 421,
    closed: true,
  };
  return {
    history: () => ({ history: { calls } }),
    balance: () => ({ balance: BALANCE }),
    quote: ({ number }) => quoteFor(number),
    place: () => ({ placed: { callId: 'c1', number: MOBILE } }),
    charge: () => ({ charge }),
  };
}

function quoteFor(number) {
  const error = REFUSALS[number];
  if (error) return { error };
  const emergency = { quoteId: 'e', number, destination: 'Emergency', emergency: true, ...CENTS };
  return { quote: number === '112' ? emergency : QUOTE };
}
