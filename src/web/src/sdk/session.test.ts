import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RequestFailed } from './accounts';
import { Backoff } from './backoff';
import type { Connected, SessionEvent } from './messages';
import { CLOSE_REPLACED, Session, type Phase } from './session';

/** A WebSocket with the test at its other end. */
class FakeSocket {
  readyState: 0 | 1 | 2 | 3 = 0;
  sent: Record<string, any>[] = [];
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  accept(): void {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }

  break(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code } as CloseEvent);
  }

  connected(fields: object = {}): void {
    const connect = this.last('connect');
    const connected = { sessionId: 's1', pingIntervalMs: 15_000, ...fields };
    this.say({ replyTo: connect.requestId, connected });
  }

  /** The newest message of a kind. */
  last(kind: string): any {
    return this.sent.findLast((message) => kind in message);
  }
}

interface World {
  session: Session;
  sockets: FakeSocket[];
  phases: Phase[];
  events: SessionEvent[];
  connects: Connected[];
  bearer: ReturnType<typeof vi.fn>;
  socket: () => FakeSocket;
}

function world(): World {
  const sockets: FakeSocket[] = [];
  const phases: Phase[] = [];
  const events: SessionEvent[] = [];
  const connects: Connected[] = [];
  const bearer = vi.fn(async (refused?: string) => (refused ? 'second' : 'first'));
  const session = new Session({
    url: 'ws://test/v1/connect',
    bearer,
    socket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    backoff: new Backoff(1000, 8000, () => 1),
    onPhase: (phase) => phases.push(phase),
    onConnected: (connected) => connects.push(connected),
    onEvent: (event) => events.push(event),
  });
  const socket = () => sockets.at(-1) as FakeSocket;
  return { session, sockets, phases, events, connects, bearer, socket };
}

async function online(w: World): Promise<void> {
  w.session.start();
  await settle();
  w.socket().accept();
  w.socket().connected();
}

async function reconnect(w: World, fields: object): Promise<void> {
  w.socket().break();
  await vi.advanceTimersByTimeAsync(1000);
  w.socket().accept();
  w.socket().connected(fields);
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const ringing = (seq: number) => ({ seq: String(seq), ringing: { callId: `c${seq}` } });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('connecting', () => {
  test('first message is Connect with the token and nothing to resume', async () => {
    const w = world();
    await online(w);
    expect(w.socket().sent[0]).toEqual({ requestId: 1, connect: { accessToken: 'first' } });
    expect(w.phases).toEqual(['connecting', 'online']);
    expect(w.connects[0]?.resumed).toBe(false);
  });

  test('refused token is renewed once and then the device is signed out', async () => {
    const w = world();
    w.session.start();
    await settle();
    w.socket().accept();
    const refusal = { replyTo: 1, error: { code: 'ERROR_CODE_UNAUTHENTICATED' } };
    w.socket().say(refusal);
    await settle();
    expect(w.bearer).toHaveBeenLastCalledWith('first');
    w.socket().accept();
    expect(w.socket().last('connect').connect.accessToken).toBe('second');
    w.socket().say(refusal);
    expect(w.phases.at(-1)).toBe('signed-out');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(w.sockets).toHaveLength(2);
  });

  test('waits at least as long as a busy server asks for', async () => {
    const w = world();
    w.session.start();
    await settle();
    w.socket().accept();
    w.socket().say({ replyTo: 1, error: { code: 'ERROR_CODE_RATE_LIMITED', retryAfter: 30 } });
    await vi.advanceTimersByTimeAsync(29_000);
    expect(w.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(w.sockets).toHaveLength(2);
  });

  test('delays between attempts double up to the longest', async () => {
    const w = world();
    w.session.start();
    await settle();
    for (const delay of [1000, 2000, 4000, 8000, 8000]) {
      const before = w.sockets.length;
      w.socket().break();
      await vi.advanceTimersByTimeAsync(delay - 1);
      expect(w.sockets).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(w.sockets).toHaveLength(before + 1);
    }
  });

  test('a socket that never opens is given up', async () => {
    const w = world();
    w.session.start();
    await vi.advanceTimersByTimeAsync(11_000);
    expect(w.sockets).toHaveLength(2);
  });

  test('replaced by another tab does not fight back', async () => {
    const w = world();
    await online(w);
    w.socket().break(CLOSE_REPLACED);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(w.phases.at(-1)).toBe('replaced');
    expect(w.sockets).toHaveLength(1);
  });

  test('stopped while the token is fetched opens nothing', async () => {
    const w = world();
    w.session.start();
    w.session.stop();
    await settle();
    expect(w.sockets).toHaveLength(0);
  });
});

describe('resuming', () => {
  test('names the session and the last event, and repeats what was not answered', async () => {
    const w = world();
    await online(w);
    const place = { place: { number: '+12025550123', media: 'CALL_MEDIA_AUDIO' as const } };
    const placed = w.session.request(place);
    const id = w.socket().last('place').requestId;
    w.socket().say(ringing(1));
    await reconnect(w, { resumed: true });
    const connect = w.socket().sent[0]?.connect;
    expect(connect).toEqual({ accessToken: 'first', sessionId: 's1', lastSeq: '1' });
    expect(w.socket().last('place')).toEqual({ requestId: id, ...place });
    w.socket().say({ replyTo: id, placed: { callId: 'c', number: '+12025550123' } });
    await expect(placed).resolves.toMatchObject({ kind: 'placed', callId: 'c' });
  });

  test('events sent twice are handled once', async () => {
    const w = world();
    await online(w);
    w.socket().say(ringing(1));
    w.socket().say(ringing(2));
    await reconnect(w, { resumed: true });
    for (const seq of [2, 3]) w.socket().say(ringing(seq));
    expect(w.events).toEqual(['c1', 'c2', 'c3'].map((callId) => ({ kind: 'ringing', callId })));
  });

  test('a hole in the numbering is healed by a resume', async () => {
    const w = world();
    await online(w);
    w.socket().say(ringing(1));
    w.socket().say(ringing(3));
    expect(w.events).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    w.socket().accept();
    expect(w.socket().last('connect').connect.lastSeq).toBe('1');
  });

  test('session that is gone is followed by a new one', async () => {
    const w = world();
    await online(w);
    w.socket().say(ringing(1));
    w.socket().break();
    await vi.advanceTimersByTimeAsync(1000);
    w.socket().accept();
    const id = w.socket().last('connect').requestId;
    w.socket().say({ replyTo: id, error: { code: 'ERROR_CODE_SESSION_GONE' } });
    await settle();
    w.socket().accept();
    expect(w.socket().sent[0]).toEqual({ requestId: 1, connect: { accessToken: 'first' } });
    w.socket().connected({ sessionId: 's2' });
    w.socket().say(ringing(1));
    expect(w.events).toHaveLength(2);
  });

  test('in a new session a place and keys are not repeated, a hang-up is', async () => {
    const w = world();
    await online(w);
    const gone = { code: 'ERROR_CODE_SESSION_GONE' };
    const placed = w.session.request({ place: { number: '1', media: 'CALL_MEDIA_AUDIO' } });
    const pressed = w.session.request({ press: { callId: 'c', keys: '1' } });
    const failed = Promise.all([
      expect(placed).rejects.toMatchObject(gone),
      expect(pressed).rejects.toMatchObject(gone),
    ]);
    const hungUp = w.session.request({ hangUp: { callId: 'c' } });
    await reconnect(w, { sessionId: 's2' });
    await failed;
    expect(w.socket().last('place')).toBeUndefined();
    expect(w.socket().last('press')).toBeUndefined();
    w.socket().say({ replyTo: w.socket().last('hangUp').requestId, done: {} });
    await expect(hungUp).resolves.toEqual({ kind: 'done' });
  });

  test('a place made while away goes out once connected', async () => {
    const w = world();
    void w.session.request({ place: { number: '1', media: 'CALL_MEDIA_AUDIO' } });
    w.session.start();
    await settle();
    w.socket().accept();
    w.socket().connected();
    expect(w.socket().last('place').requestId).toBe(2);
  });
});

describe('keeping alive', () => {
  test('a burst of events is acknowledged once, up to the last', async () => {
    const w = world();
    await online(w);
    for (const seq of [1, 2, 3]) w.socket().say(ringing(seq));
    await vi.advanceTimersByTimeAsync(100);
    const acks = w.socket().sent.filter((message) => 'ack' in message);
    expect(acks.map((message) => message.ack)).toEqual([{ seq: '3' }]);
  });

  test('an unanswered ping ends the connection, an answered one does not', async () => {
    const w = world();
    await online(w);
    await vi.advanceTimersByTimeAsync(15_000);
    w.socket().say({ replyTo: w.socket().last('ping').requestId, pong: {} });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(w.phases.at(-1)).toBe('online');
    await vi.advanceTimersByTimeAsync(5_000 + 8_000);
    expect(w.phases.at(-1)).toBe('waiting');
  });

  test('a request that is never answered fails in the end', async () => {
    const w = world();
    await online(w);
    const failed = expect(w.session.request({ history: {} })).rejects.toThrow(RequestFailed);
    w.socket().say({ replyTo: 99, pong: {} });
    await vi.advanceTimersByTimeAsync(20_000);
    await failed;
  });

  test('an error fails the request it answers', async () => {
    const w = world();
    await online(w);
    const place = w.session.request({ place: { number: 'x', media: 'CALL_MEDIA_AUDIO' } });
    const id = w.socket().last('place').requestId;
    w.socket().say({ replyTo: id, error: { code: 'ERROR_CODE_BAD_NUMBER', message: 'no' } });
    await expect(place).rejects.toMatchObject({ code: 'ERROR_CODE_BAD_NUMBER', message: 'no' });
  });
});
