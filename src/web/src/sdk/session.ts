// A device's live connection to the server: one logical session over many WebSockets.
//
// Guarantees: events reach `onEvent` once each and in order, across reconnects within the server's
// resume window; a request is answered once or fails once. Not guaranteed: that a call placed just
// before the session was lost for good exists. `onConnected` with `resumed: false` then brings the
// truth, as the list of calls that stand.

import { RequestFailed } from './accounts';
import { Backoff } from './backoff';
import {
  readServerMessage,
  type Connected,
  type ProtocolError,
  type Reply,
  type Request,
  type ServerMessage,
  type SessionEvent,
} from './messages';

export type Phase =
  /** Not started, or stopped. */
  | 'stopped'
  /** A connection is being made. */
  | 'connecting'
  | 'online'
  /** Waiting before the next attempt. */
  | 'waiting'
  /** Another tab or window of this device took the session over. */
  | 'replaced'
  /** The server does not accept this device any more. */
  | 'signed-out';

/** The part of WebSocket that is used, so that tests can bring their own. */
export type Socket = Pick<WebSocket, 'send' | 'close' | 'readyState'> & {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
};

export interface SessionOptions {
  /** ws:// or wss:// address of /v1/connect. */
  url: string;
  /** A good access token; given the one that was refused, another one. */
  bearer: (refused?: string) => Promise<string>;
  socket?: (url: string) => Socket;
  backoff?: Backoff;
  onPhase?: (phase: Phase) => void;
  onConnected?: (connected: Connected) => void;
  onEvent?: (event: SessionEvent) => void;
}

interface Pending {
  id: number;
  request: Request;
  /** Whether the server may have seen it. */
  sent: boolean;
  deadline: Timer;
  resolve: (reply: Reply) => void;
  reject: (error: RequestFailed) => void;
}

type Timer = ReturnType<typeof setTimeout>;

/** The server closes with this when the same device connects again. */
export const CLOSE_REPLACED = 4001;

export class Session {
  private phase: Phase = 'stopped';
  private socket: Socket | undefined;
  private readonly backoff: Backoff;

  // The logical session.
  private sessionId = '';
  private lastSeq = 0;
  private nextId = 1;
  private pending: Pending[] = [];

  // The connection of the moment.
  private connectId = 0;
  private token = '';
  private refused: string | undefined;
  private pingIntervalMs = 20_000;
  private pingTimer: Timer | undefined;
  private silenceTimer: Timer | undefined;
  private openTimer: Timer | undefined;
  private retryTimer: Timer | undefined;
  private ackTimer: Timer | undefined;
  private attempt = 0;

  constructor(private readonly options: SessionOptions) {
    this.backoff = options.backoff ?? new Backoff();
  }

  start(): void {
    if (this.socket || this.phase === 'connecting') return;
    globalThis.addEventListener?.('online', this.onOnline);
    globalThis.addEventListener?.('offline', this.onDoubt);
    globalThis.document?.addEventListener('visibilitychange', this.onDoubt);
    this.backoff.reset();
    void this.open();
  }

  /** Ends the connection. The calls of this device go on until the server gives the session up. */
  stop(phase: Phase = 'stopped'): void {
    globalThis.removeEventListener?.('online', this.onOnline);
    globalThis.removeEventListener?.('offline', this.onDoubt);
    globalThis.document?.removeEventListener('visibilitychange', this.onDoubt);
    this.attempt += 1;
    clearTimeout(this.retryTimer);
    this.drop();
    this.sessionId = '';
    this.failAll({ code: 'ERROR_CODE_SESSION_GONE', message: 'the session ended' });
    this.enter(phase);
  }

  /**
   * Asks the server; fails with [RequestFailed]. Waits for the connection, also for one that is yet
   * to be started, and is sent again after a reconnect until answered.
   */
  request(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.phase === 'replaced' || this.phase === 'signed-out') {
        reject(new RequestFailed({ code: 'ERROR_CODE_SESSION_GONE' }));
        return;
      }
      const deadline = setTimeout(() => this.giveUp(waiting), REQUEST_DEADLINE_MS);
      const id = this.nextId++;
      const waiting: Pending = { id, request, sent: false, deadline, resolve, reject };
      this.pending.push(waiting);
      if (this.phase === 'online') this.ask(waiting);
    });
  }

  // ------------------------------------------------------------ connecting

  private async open(): Promise<void> {
    const attempt = ++this.attempt;
    clearTimeout(this.retryTimer);
    this.enter('connecting');
    try {
      this.token = await this.options.bearer(this.refused);
    } catch (error) {
      if (attempt !== this.attempt) return;
      const code = error instanceof RequestFailed ? error.code : undefined;
      if (code === 'ERROR_CODE_UNAUTHENTICATED') this.stop('signed-out');
      else this.retry();
      return;
    }
    if (attempt !== this.attempt) return;
    const socket = (this.options.socket ?? ((url) => new WebSocket(url)))(this.options.url);
    this.socket = socket;
    this.openTimer = setTimeout(() => this.lose(), OPEN_DEADLINE_MS);
    socket.onopen = () => this.sendConnect();
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => {
      if (event.code === CLOSE_REPLACED) this.stop('replaced');
      else this.lose();
    };
  }

  private sendConnect(): void {
    // A new session counts its requests from 1; those that wait get new numbers when it stands.
    this.connectId = this.sessionId ? this.nextId++ : 1;
    const { sessionId, token: accessToken } = this;
    const lastSeq = String(this.lastSeq);
    const connect = sessionId ? { accessToken, sessionId, lastSeq } : { accessToken };
    this.transmit({ requestId: this.connectId, connect });
  }

  private connected(connected: Connected): void {
    clearTimeout(this.openTimer);
    this.backoff.reset();
    this.refused = undefined;
    if (connected.pingIntervalMs > 0) this.pingIntervalMs = connected.pingIntervalMs;
    if (!connected.resumed) {
      this.sessionId = connected.sessionId;
      this.lastSeq = 0;
      this.renumber();
    }
    this.enter('online');
    this.schedulePing();
    for (const waiting of this.pending) this.ask(waiting);
    this.options.onConnected?.(connected);
  }

  /**
   * The old session is gone and with it the server's memory of what it had answered. Requests that
   * name a call are safe to repeat. A place is not: it could ring somebody twice. Neither are keys:
   * a machine at the other end would hear them twice.
   */
  private renumber(): void {
    this.nextId = this.connectId + 1;
    const waiting = this.pending;
    this.pending = [];
    for (const one of waiting) {
      if (one.sent && ('place' in one.request || 'press' in one.request)) {
        this.settle(one, () => one.reject(new RequestFailed({ code: 'ERROR_CODE_SESSION_GONE' })));
      } else {
        one.id = this.nextId++;
        this.pending.push(one);
      }
    }
  }

  private refusedToConnect(error: ProtocolError): void {
    if (error.code === 'ERROR_CODE_SESSION_GONE' && this.sessionId) {
      this.sessionId = '';
      this.lastSeq = 0;
      this.again();
    } else if (error.code === 'ERROR_CODE_UNAUTHENTICATED') {
      // A token made a moment ago and refused again cannot be helped by renewing.
      if (this.refused !== undefined) {
        this.stop('signed-out');
        return;
      }
      this.refused = this.token;
      this.again();
    } else {
      this.drop();
      this.retry(error.retryAfter * 1000);
    }
  }

  private again(): void {
    this.drop();
    void this.open();
  }

  private lose(): void {
    this.drop();
    this.retry();
  }

  private retry(atLeastMs = 0): void {
    this.enter('waiting');
    const delay = Math.max(atLeastMs, this.backoff.next());
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.open(), delay);
  }

  /** Lets go of the socket without waiting for its close, which on a dead network takes minutes. */
  private drop(): void {
    clearTimeout(this.openTimer);
    clearTimeout(this.pingTimer);
    clearTimeout(this.silenceTimer);
    clearTimeout(this.ackTimer);
    this.silenceTimer = undefined;
    this.ackTimer = undefined;
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private readonly onOnline = (): void => {
    if (this.phase === 'waiting') {
      this.backoff.reset();
      void this.open();
    } else {
      this.onDoubt();
    }
  };

  /** The network changed, or the page was asleep: find out soon whether the connection lives. */
  private readonly onDoubt = (): void => {
    if (this.phase === 'online') this.ping(DOUBT_DEADLINE_MS);
    else if (this.phase === 'waiting' && !globalThis.document?.hidden) this.onWake();
  };

  private onWake(): void {
    if (globalThis.navigator?.onLine !== false) void this.open();
  }

  // ------------------------------------------------------------ messages

  private receive(data: unknown): void {
    const message = typeof data === 'string' ? readServerMessage(data) : undefined;
    if (!message) return;
    clearTimeout(this.silenceTimer);
    this.silenceTimer = undefined;
    if (message.seq > 0) this.receiveEvent(message);
    else this.receiveReply(message.replyTo, message.body as Reply | undefined);
  }

  private receiveEvent(message: ServerMessage): void {
    if (message.seq > this.lastSeq + 1) {
      // A hole cannot happen on one connection. Asking for everything since the last one heals it.
      this.lose();
      return;
    }
    this.ackSoon();
    if (message.seq <= this.lastSeq) return;
    this.lastSeq = message.seq;
    if (message.body) this.options.onEvent?.(message.body as SessionEvent);
  }

  private receiveReply(replyTo: number, reply: Reply | undefined): void {
    if (reply?.kind === 'connected') {
      this.connected(reply.connected);
      return;
    }
    if (reply?.kind === 'error' && (replyTo === this.connectId || this.phase !== 'online')) {
      this.refusedToConnect(reply.error);
      return;
    }
    const waiting = this.pending.find((one) => one.id === replyTo);
    if (!waiting || !reply) return;
    this.settle(waiting, () => {
      if (reply.kind === 'error') waiting.reject(new RequestFailed(reply.error));
      else waiting.resolve(reply);
    });
  }

  private settle(waiting: Pending, how: () => void): void {
    clearTimeout(waiting.deadline);
    this.pending = this.pending.filter((one) => one !== waiting);
    how();
  }

  private giveUp(waiting: Pending): void {
    this.settle(waiting, () => waiting.reject(new RequestFailed({})));
  }

  private failAll(error: Partial<ProtocolError>): void {
    for (const one of this.pending) this.settle(one, () => one.reject(new RequestFailed(error)));
  }

  /** One acknowledgement for a burst of events. */
  private ackSoon(): void {
    this.ackTimer ??= setTimeout(() => {
      this.ackTimer = undefined;
      this.transmit({ requestId: this.nextId++, ack: { seq: String(this.lastSeq) } });
    }, ACK_DELAY_MS);
  }

  private schedulePing(): void {
    clearTimeout(this.pingTimer);
    this.pingTimer = setTimeout(() => this.ping(PONG_DEADLINE_MS), this.pingIntervalMs);
  }

  private ping(deadlineMs: number): void {
    this.schedulePing();
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.lose(), deadlineMs);
    this.transmit({ requestId: this.nextId++, ping: {} });
  }

  private ask(waiting: Pending): void {
    waiting.sent = true;
    this.transmit({ requestId: waiting.id, ...waiting.request });
  }

  private transmit(message: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private enter(phase: Phase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.options.onPhase?.(phase);
  }
}

/** Longer than a reconnect after a short loss, shorter than a person's patience with a button. */
const REQUEST_DEADLINE_MS = 20_000;
const OPEN_DEADLINE_MS = 10_000;
const PONG_DEADLINE_MS = 8_000;
const DOUBT_DEADLINE_MS = 3_000;
const ACK_DELAY_MS = 50;
