import { expect, test } from 'vitest';
import { readServerMessage, type Reply, type Request } from './messages';
import { Phone } from './phone';

/** Answers as a server does, in protobuf JSON. */
function scripted(reply: object) {
  const asked: Request[] = [];
  const phone = new Phone(async (request) => {
    asked.push(request);
    return readServerMessage(JSON.stringify({ replyTo: 1, ...reply }))?.body as Reply;
  });
  return { phone, asked };
}

test('a quote is read to the last digit', async () => {
  const { phone, asked } = scripted({
    quote: {
      quoteId: 'q',
      number: '+4915112345678',
      destination: 'Germany, mobile',
      perMinuteMicros: '9007199254740993',
      currency: 'USD',
      firstIncrementS: 30,
      nextIncrementS: 6,
      validForMs: 60000,
    },
  });
  expect(await phone.quote('0151 12345678')).toEqual({
    quoteId: 'q',
    number: '+4915112345678',
    destination: 'Germany, mobile',
    perMinuteMicros: 9007199254740993n,
    connectionFeeMicros: 0n,
    currency: 'USD',
    firstIncrementS: 30,
    nextIncrementS: 6,
    validForMs: 60000,
    longestS: 0,
    emergency: false,
  });
  expect(asked).toEqual([{ quote: { number: '0151 12345678' } }]);
});

test('money below zero, as a number, and as nonsense', async () => {
  for (const [json, expected] of [
    ['-12500', -12500n],
    [7, 7n],
    ['1.5', 0n],
    [2 ** 60, 0n],
    [null, 0n],
  ] as const) {
    const { phone } = scripted({ balance: { bookedMicros: json, currency: 'EUR' } });
    expect((await phone.balance()).bookedMicros, String(json)).toBe(expected);
  }
});

test('a charge is asked for by its call', async () => {
  const charge = { callId: 'c', amountMicros: '99', billedS: '36', talkedMs: '31000', mos: 421 };
  const { phone, asked } = scripted({ charge });
  expect(await phone.charge('c')).toMatchObject({
    amountMicros: 99n,
    billedS: 36,
    talkedMs: 31000,
    mos: 421,
    closed: false,
  });
  expect(asked).toEqual([{ charge: { callId: 'c' } }]);
});

test('keys and hold are done when the server says so', async () => {
  const { phone, asked } = scripted({ done: {} });
  await phone.pressKeys('c', '12#');
  await phone.hold('c', false);
  expect(asked).toEqual([
    { press: { callId: 'c', keys: '12#' } },
    { hold: { callId: 'c', held: false } },
  ]);
});

test('an answer of another kind is a failure', async () => {
  const { phone } = scripted({ done: {} });
  await expect(phone.quote('1')).rejects.toMatchObject({ code: 'ERROR_CODE_INTERNAL' });
});

test('events of a phone call are read', () => {
  const grant = { url: '', token: 't', room: 'r' };
  const cases = [
    [{ progress: { callId: 'c', grant } }, { kind: 'progress', callId: 'c', grant }],
    [{ held: { callId: 'c', byPeer: true } }, { kind: 'held', held: false, byPeer: true }],
    [{ warning: { callId: 'c', leftMs: 9, cause: 15 } }, { cause: 'CALL_CAUSE_CREDIT_ENDED' }],
    [{ incoming: { callId: 'c', via: 2 } }, { via: 'CALL_VIA_PHONE', from: { number: '' } }],
    [{ balance: { reservedMicros: '5' } }, { balance: { reservedMicros: 5n } }],
  ];
  for (const [message, expected] of cases) {
    const read = readServerMessage(JSON.stringify({ seq: '1', ...message }));
    expect(read?.body).toMatchObject(expected as object);
  }
});
