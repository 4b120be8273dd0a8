import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RequestFailed, type CallSnapshot, type Connected, type Reply } from '../sdk';
import { Calls } from './calls';

function world() {
  const asked: any[] = [];
  const answers: { resolve: (reply: Reply) => void; reject: (error: RequestFailed) => void }[] = [];
  const request = vi.fn((message: object) => {
    asked.push(message);
    return new Promise<Reply>((resolve, reject) => answers.push({ resolve, reject }));
  });
  const [onRefused, onHistory, onHoldFailed] = [vi.fn(), vi.fn(), vi.fn()];
  const causeOf = vi.fn(async () => 'CALL_CAUSE_NO_ANSWER' as const);
  const calls = new Calls({ request, onRefused, onHistory, onHoldFailed, causeOf });
  const current = () => calls.state.value.current;
  const ended = () => calls.state.value.ended;
  const place = (number: string, video = false) =>
    void calls.place({ number, via: 'app', video });
  return { calls, asked, answers, current, ended, place, onRefused, onHoldFailed };
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const ada = { number: '+12025550123', displayName: 'Ada' };
const grant = { url: '', token: 't', room: 'r' };
const placed = (callId: string): Reply => ({ kind: 'placed', callId, number: ada.number });
const incoming = {
  kind: 'incoming' as const,
  callId: 'in',
  from: ada,
  media: 'CALL_MEDIA_VIDEO' as const,
  ringsForMs: 30_000,
  via: 'CALL_VIA_APP' as const,
};

function connected(calls: Partial<CallSnapshot>[]): Connected {
  const snapshot = (call: Partial<CallSnapshot>): CallSnapshot => ({
    callId: 'c',
    direction: 'CALL_DIRECTION_OUTGOING',
    state: 'CALL_STATE_ACCEPTED',
    peer: ada,
    media: 'CALL_MEDIA_VIDEO',
    grant: undefined,
    acceptedAt: 5,
    ringsForMs: 0,
    via: 'CALL_VIA_UNSPECIFIED',
    held: false,
    heldByPeer: false,
    ...call,
  });
  return {
    sessionId: 's',
    resumed: false,
    user: { id: 'u', number: '', displayName: '' },
    pingIntervalMs: 0,
    resumeWindowMs: 0,
    calls: calls.map(snapshot),
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('an outgoing call goes through its stages', async () => {
  const w = world();
  w.place('2025550123', true);
  expect(w.current()?.stage).toBe('placing');
  w.answers[0]?.resolve(placed('c'));
  await settle();
  expect(w.current()).toMatchObject({ stage: 'placed', id: 'c', peer: { number: ada.number } });
  w.calls.handle({ kind: 'ringing', callId: 'c' });
  expect(w.current()?.stage).toBe('ringing');
  w.calls.handle({ kind: 'accepted', callId: 'c', grant, acceptedAt: 1 });
  expect(w.current()).toMatchObject({ stage: 'accepted', grant });
  w.calls.handle({ kind: 'ended', callId: 'c', cause: 'CALL_CAUSE_HUNG_UP', durationMs: 9000 });
  expect(w.current()).toBeUndefined();
  expect(w.ended()).toMatchObject({ cause: 'CALL_CAUSE_HUNG_UP', durationMs: 9000, byMe: false });
});

test('events that overtake the reply to place are not lost', async () => {
  const w = world();
  w.place('1');
  w.calls.handle({ kind: 'ended', callId: 'c', cause: 'CALL_CAUSE_BUSY', durationMs: 0 });
  w.answers[0]?.resolve(placed('c'));
  await settle();
  expect(w.ended()?.cause).toBe('CALL_CAUSE_BUSY');
});

test('a call cancelled before it has an id is cancelled when the id comes', async () => {
  const w = world();
  w.place('1');
  w.calls.leave();
  expect(w.current()).toBeUndefined();
  w.answers[0]?.resolve(placed('c'));
  await settle();
  expect(w.asked.at(-1)).toEqual({ cancel: { callId: 'c' } });
});

test('a call that is refused says why', async () => {
  const w = world();
  w.place('1');
  w.answers[0]?.reject(new RequestFailed({ code: 'ERROR_CODE_BAD_NUMBER' }));
  await settle();
  expect(w.current()).toBeUndefined();
  expect(w.onRefused.mock.calls[0]?.[0].code).toBe('ERROR_CODE_BAD_NUMBER');
});

test('a shown call is acknowledged, and rings no longer than the server said', async () => {
  const w = world();
  w.calls.handle(incoming);
  expect(w.asked).toEqual([{ ringAck: { callId: 'in' } }]);
  expect(w.current()).toMatchObject({ stage: 'incoming', peer: ada, video: true });
  await vi.advanceTimersByTimeAsync(35_000);
  expect(w.current()).toBeUndefined();
});

test('answered elsewhere takes the call off the screen', () => {
  const w = world();
  w.calls.handle(incoming);
  const cause = 'CALL_CAUSE_ANSWERED_ELSEWHERE';
  w.calls.handle({ kind: 'ended', callId: 'in', cause, durationMs: 0 });
  expect(w.current()).toBeUndefined();
  expect(w.ended()?.cause).toBe(cause);
});

test('an answer that comes too late is not a call', async () => {
  const w = world();
  w.calls.handle(incoming);
  void w.calls.accept(true);
  expect(w.current()?.stage).toBe('accepting');
  w.answers.at(-1)?.reject(new RequestFailed({ code: 'ERROR_CODE_WRONG_STATE' }));
  await settle();
  expect(w.current()).toBeUndefined();
});

test('leaving says the word that fits the stage', async () => {
  const w = world();
  w.calls.handle(incoming);
  w.calls.leave();
  expect(w.asked.at(-1)).toEqual({ decline: { callId: 'in' } });
  w.calls.handle({ ...incoming, callId: 'in2' });
  void w.calls.accept(false);
  w.calls.handle({ kind: 'accepted', callId: 'in2', grant, acceptedAt: 1 });
  w.calls.leave();
  expect(w.asked.at(-1)).toEqual({ hangUp: { callId: 'in2' } });
  expect(w.ended()?.byMe).toBe(true);
});

test('both calling each other become one accepted call', async () => {
  const w = world();
  w.place('1');
  w.calls.handle(incoming);
  w.answers[0]?.resolve(placed('in'));
  await settle();
  w.calls.handle({ kind: 'accepted', callId: 'in', grant, acceptedAt: 1 });
  expect(w.current()).toMatchObject({ id: 'in', stage: 'accepted' });
  w.calls.leave();
  expect(w.current()).toBeUndefined();
});

test('a new session brings the accepted call back after a reload', () => {
  const w = world();
  w.calls.connected(connected([{ grant }]));
  expect(w.current()).toMatchObject({ id: 'c', stage: 'accepted', grant });
});

test('a call accepted on another device is not shown', () => {
  const w = world();
  w.calls.connected(connected([{ grant: undefined }]));
  expect(w.current()).toBeUndefined();
});

test('a call missing from the new session ended, and history says how', async () => {
  const w = world();
  w.place('1');
  w.answers[0]?.resolve(placed('c'));
  await settle();
  w.calls.connected(connected([]));
  await settle();
  expect(w.current()).toBeUndefined();
  expect(w.ended()?.cause).toBe('CALL_CAUSE_NO_ANSWER');
});
