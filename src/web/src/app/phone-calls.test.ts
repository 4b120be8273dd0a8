import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RequestFailed, type CallSnapshot, type Quote, type Reply } from '../sdk';
import { Calls } from './calls';

const number = '+4915112345678';
const grant = { url: '', token: 'early', room: 'r' };
const quote = { quoteId: 'q', number } as Quote;

function world() {
  const asked: any[] = [];
  const answers: { resolve: (reply: Reply) => void; reject: (error: RequestFailed) => void }[] = [];
  const request = (message: object) => {
    asked.push(message);
    return new Promise<Reply>((resolve, reject) => answers.push({ resolve, reject }));
  };
  const [onRefused, onHistory, onHoldFailed] = [vi.fn(), vi.fn(), vi.fn()];
  const causeOf = async () => undefined;
  const calls = new Calls({ request, onRefused, onHistory, onHoldFailed, causeOf });
  const current = () => calls.state.value.current;
  return { calls, asked, answers, current, onRefused, onHoldFailed };
}

async function talking() {
  const w = world();
  void w.calls.place({ number, via: 'phone', video: false, quote });
  w.answers[0]?.resolve({ kind: 'placed', callId: 'c', number });
  await settle();
  w.calls.handle({ kind: 'accepted', callId: 'c', grant, acceptedAt: 1 });
  return w;
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a phone call is placed for the price that was shown', () => {
  const w = world();
  void w.calls.place({ number, via: 'phone', video: false, quote, anonymous: true });
  const place = { number, media: 'CALL_MEDIA_AUDIO', via: 'CALL_VIA_PHONE', quoteId: 'q' };
  expect(w.asked).toEqual([{ place: { ...place, anonymous: true } }]);
  expect(w.current()).toMatchObject({ via: 'phone', quote, video: false });
});

test('the room is there before the answer and stays the same after it', async () => {
  const w = world();
  void w.calls.place({ number, via: 'phone', video: false, quote });
  // The first sound may come before the reply, and before any ringing.
  w.calls.handle({ kind: 'progress', callId: 'c', grant });
  w.answers[0]?.resolve({ kind: 'placed', callId: 'c', number });
  await settle();
  expect(w.current()).toMatchObject({ stage: 'placed', grant });
  w.calls.handle({ kind: 'ringing', callId: 'c' });
  expect(w.current()).toMatchObject({ stage: 'ringing', grant });
  w.calls.handle({ kind: 'accepted', callId: 'c', grant: undefined, acceptedAt: 1 });
  expect(w.current()).toMatchObject({ stage: 'accepted', grant });
  w.calls.handle({ kind: 'progress', callId: 'c', grant: undefined });
  expect(w.current()?.grant).toBe(grant);
});

test('hold is shown at once and undone when the server refuses', async () => {
  const w = await talking();
  void w.calls.hold(true);
  expect(w.asked.at(-1)).toEqual({ hold: { callId: 'c', held: true } });
  expect(w.current()?.held).toBe(true);
  w.answers.at(-1)?.reject(new RequestFailed({ code: 'ERROR_CODE_WRONG_STATE' }));
  await settle();
  expect(w.current()?.held).toBe(false);
  expect(w.onHoldFailed).toHaveBeenCalledTimes(1);
});

test('both sides hold without knowing of each other', async () => {
  const w = await talking();
  void w.calls.hold(true);
  w.calls.handle({ kind: 'held', callId: 'c', held: true, byPeer: true });
  expect(w.current()).toMatchObject({ held: true, heldByPeer: true });
  void w.calls.hold(false);
  expect(w.current()).toMatchObject({ held: false, heldByPeer: true });
  w.calls.handle({ kind: 'held', callId: 'c', held: false, byPeer: true });
  expect(w.current()).toMatchObject({ held: false, heldByPeer: false });
});

test('an app call cannot be held', () => {
  const w = world();
  const incoming = { kind: 'incoming', callId: 'c', from: { number, displayName: '' } } as const;
  w.calls.handle({ ...incoming, media: 'CALL_MEDIA_AUDIO', ringsForMs: 1, via: 'CALL_VIA_APP' });
  w.calls.handle({ kind: 'accepted', callId: 'c', grant, acceptedAt: 1 });
  void w.calls.hold(true);
  expect(w.asked.some((one) => 'hold' in one)).toBe(false);
});

test('a warning says when the call is cut off, and the newest counts', async () => {
  const w = await talking();
  const cause = 'CALL_CAUSE_CREDIT_ENDED';
  w.calls.handle({ kind: 'warning', callId: 'c', leftMs: 30_000, cause });
  expect(w.current()?.warning).toEqual({ at: Date.now() + 30_000, cause });
  w.calls.handle({ kind: 'warning', callId: 'c', leftMs: 60_000, cause });
  expect(w.current()?.warning?.at).toBe(Date.now() + 60_000);
  w.calls.handle({ kind: 'ended', callId: 'c', cause, durationMs: 5_000 });
  expect(w.calls.state.value.ended).toMatchObject({ id: 'c', via: 'phone', cause });
});

test('a phone call that is refused says so for the phone', async () => {
  const w = world();
  void w.calls.place({ number, via: 'phone', video: false, quote });
  w.answers[0]?.reject(new RequestFailed({ code: 'ERROR_CODE_NO_CREDIT' }));
  await settle();
  expect(w.onRefused).toHaveBeenCalledWith(expect.any(RequestFailed), 'phone');
});

test('a hidden number rings, marked as a phone call', () => {
  const w = world();
  const from = { number: '', displayName: '' };
  const incoming = { kind: 'incoming', callId: 'c', from, ringsForMs: 1 } as const;
  w.calls.handle({ ...incoming, media: 'CALL_MEDIA_AUDIO', via: 'CALL_VIA_PHONE' });
  expect(w.current()).toMatchObject({ stage: 'incoming', via: 'phone', peer: from });
});

test('after a reload the call is still a phone call on hold', () => {
  const w = world();
  const snapshot: CallSnapshot = {
    callId: 'c',
    direction: 'CALL_DIRECTION_OUTGOING',
    state: 'CALL_STATE_ACCEPTED',
    peer: { number, displayName: '' },
    media: 'CALL_MEDIA_AUDIO',
    grant,
    acceptedAt: 5,
    ringsForMs: 0,
    via: 'CALL_VIA_PHONE',
    held: false,
    heldByPeer: true,
  };
  const user = { id: 'u', number: '', displayName: '' };
  const session = { sessionId: 's', resumed: false, pingIntervalMs: 0, resumeWindowMs: 0 };
  w.calls.connected({ ...session, user, calls: [snapshot] });
  expect(w.current()).toMatchObject({ via: 'phone', stage: 'accepted', heldByPeer: true });
});
