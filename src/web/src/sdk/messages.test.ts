import { expect, test } from 'vitest';
import { readServerMessage, readTokens } from './messages';

test('64-bit integers are read from strings and from numbers', () => {
  for (const acceptedAt of ['1763800000000', 1763800000000]) {
    const accepted = { callId: 'c', acceptedAt, grant: { token: 't', room: 'r' } };
    const message = readServerMessage(JSON.stringify({ seq: '7', accepted }));
    expect(message).toEqual({
      seq: 7,
      replyTo: 0,
      body: {
        kind: 'accepted',
        callId: 'c',
        acceptedAt: 1763800000000,
        grant: { url: '', token: 't', room: 'r' },
      },
    });
  }
});

test('enums are read by name and by number, unknown ones as unspecified', () => {
  const cases = [
    ['CALL_CAUSE_BUSY', 'CALL_CAUSE_BUSY'],
    [3, 'CALL_CAUSE_BUSY'],
    ['CALL_CAUSE_FROM_THE_FUTURE', 'CALL_CAUSE_UNSPECIFIED'],
    [99, 'CALL_CAUSE_UNSPECIFIED'],
    [undefined, 'CALL_CAUSE_UNSPECIFIED'],
  ];
  for (const [cause, expected] of cases) {
    const message = readServerMessage(JSON.stringify({ seq: 1, ended: { callId: 'c', cause } }));
    expect(message?.body).toMatchObject({ cause: expected });
  }
});

test('fields left out have their default values', () => {
  const message = readServerMessage('{"replyTo":1,"connected":{"calls":[{"callId":"c"}]}}');
  expect(message?.body).toMatchObject({
    connected: { resumed: false, sessionId: '', calls: [{ callId: 'c', grant: undefined }] },
  });
  expect(readTokens(undefined).accessExpiresAt).toBe(0);
});

test('what is not a message is not read, and a message from the future has no body', () => {
  for (const text of ['', 'nonsense', '[]', '3', 'null']) {
    expect(readServerMessage(text)).toBeUndefined();
  }
  expect(readServerMessage('{"seq":"4","hologram":{}}')).toEqual({
    seq: 4,
    replyTo: 0,
    body: undefined,
  });
});
