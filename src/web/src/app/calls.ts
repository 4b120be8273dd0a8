// The calls of this device as the person in front of it sees them: what the server says, plus what
// was just asked for and is on its way.

import {
  RequestFailed,
  type CallCause,
  type CallEvent,
  type CallSnapshot,
  type Connected,
  type Incoming,
  type Reply,
  type Request,
} from '../sdk';
import {
  fromSnapshot,
  mediaOf,
  newCall,
  toPlace,
  viaOf,
  type Call,
  type Ended,
  type Order,
  type Stage,
} from './call';
import type { Via } from './dialer';
import { Observable } from './observable';

export interface CallsState {
  /** The one call on the screen. */
  current: Call | undefined;
  ended: Ended | undefined;
}

export interface CallsOptions {
  request: (request: Request) => Promise<Reply>;
  /** A call could not be placed or answered, and why. */
  onRefused: (error: RequestFailed, via: Via) => void;
  /** A call could not be put on hold, or taken back. */
  onHoldFailed: () => void;
  /** The history has something new: the call of that name, or it is not known what. */
  onHistory: (callId?: string) => void;
  /** Finds out how a call ended that ended unseen. */
  causeOf: (callId: string) => Promise<CallCause | undefined>;
}

export class Calls {
  readonly state = new Observable<CallsState>({ current: undefined, ended: undefined });
  private list: Call[] = [];
  /** Events that overtook the reply which names their call. */
  private early: CallEvent[] = [];
  private readonly ringTimers = new Map<string, ReturnType<typeof setTimeout>>();
  private keys = 0;

  constructor(private readonly options: CallsOptions) {}

  // ------------------------------------------------------------ what the person does

  async place(order: Order): Promise<void> {
    if (this.list.length > 0) return;
    const { number, via, video, quote } = order;
    const peer = order.peer ?? { number, displayName: '' };
    const call = this.add(
      newCall({ direction: 'outgoing', peer, via, video, quote, stage: 'placing' }),
    );
    try {
      const reply = await this.options.request({ place: toPlace(order) });
      if (reply.kind === 'placed') this.confirm(call.key, reply.callId, reply.number);
    } catch (error) {
      // After a lost session the call may have come back in the new session's list.
      if (!this.find(call.key) || this.find(call.key)?.id) return;
      this.remove(call.key);
      if (error instanceof RequestFailed) this.options.onRefused(error, via);
    } finally {
      this.early = [];
    }
  }

  async accept(camera: boolean): Promise<void> {
    const call = this.state.value.current;
    if (call?.stage !== 'incoming') return;
    this.change(call.key, { stage: 'accepting', camera });
    try {
      await this.options.request({ accept: { callId: call.id, media: mediaOf(camera) } });
    } catch (error) {
      const now = this.find(call.key);
      if (now?.stage !== 'accepting') return;
      const code = error instanceof RequestFailed ? error.code : undefined;
      if (code === 'ERROR_CODE_NO_SUCH_CALL' || code === 'ERROR_CODE_WRONG_STATE') {
        this.end(now, 'CALL_CAUSE_CANCELLED', 0);
      } else {
        this.change(call.key, { stage: 'incoming' });
        if (error instanceof RequestFailed) this.options.onRefused(error, call.via);
      }
    }
  }

  /** Shown at once; the server's word comes with [CallHeld] or with a refusal. */
  async hold(held: boolean): Promise<void> {
    const call = this.state.value.current;
    if (call?.stage !== 'accepted' || call.via !== 'phone' || call.held === held) return;
    this.change(call.key, { held });
    try {
      await this.options.request({ hold: { callId: call.id, held } });
    } catch {
      if (!this.find(call.key)) return;
      this.change(call.key, { held: !held });
      this.options.onHoldFailed();
    }
  }

  /** Decline, cancel or hang up, whichever fits. */
  leave(): void {
    const call = this.state.value.current;
    if (!call) return;
    const callId = call.id;
    const accepted = call.stage === 'accepted';
    this.remove(call.key);
    if (accepted || call.direction === 'outgoing') {
      const cause = accepted ? 'CALL_CAUSE_HUNG_UP' : 'CALL_CAUSE_CANCELLED';
      this.tell(call, cause, accepted ? Date.now() - call.acceptedAt : 0, true);
    }
    // A call that is still being placed is cancelled when its id comes, in `confirm`.
    if (!callId) return;
    const ending = accepted || call.stage === 'accepting' ? { hangUp: { callId } } : undefined;
    const taking = call.direction === 'incoming' ? { decline: { callId } } : { cancel: { callId } };
    this.finish(callId, ending ?? taking);
  }

  dismissEnded(): void {
    this.state.update({ ended: undefined });
  }

  /** This page is no longer the device's voice. */
  clear(): void {
    for (const call of this.list) this.stopRingTimer(call.key);
    this.list = [];
    this.publish();
  }

  // ------------------------------------------------------------ what the server says

  handle(event: CallEvent): void {
    if (event.kind === 'incoming') {
      this.ring(event);
      return;
    }
    const call = this.list.find((one) => one.id === event.callId);
    if (!call) {
      if (this.list.some((one) => one.stage === 'placing')) this.early.push(event);
      if (event.kind === 'ended') this.options.onHistory(event.callId);
      return;
    }
    this.happen(call, event);
  }

  private happen(call: Call, event: Exclude<CallEvent, Incoming>): void {
    const { key, stage } = call;
    switch (event.kind) {
      case 'ringing':
        if (stage === 'placed') this.change(key, { stage: 'ringing' });
        break;
      case 'progress':
        if (stage === 'placed' || stage === 'ringing') this.change(key, { grant: event.grant });
        break;
      case 'accepted': {
        this.stopRingTimer(key);
        const grant = event.grant ?? call.grant;
        this.change(key, { stage: 'accepted', grant, acceptedAt: call.acceptedAt || Date.now() });
        break;
      }
      case 'held':
        this.change(key, event.byPeer ? { heldByPeer: event.held } : { held: event.held });
        break;
      case 'warning':
        this.change(key, { warning: { at: Date.now() + event.leftMs, cause: event.cause } });
        break;
      case 'ended':
        this.end(call, event.cause, event.durationMs);
    }
  }

  /** A new session: the server's list replaces ours. A resumed one goes on with events. */
  connected(connected: Connected): void {
    if (connected.resumed) return;
    const listed = new Set(connected.calls.map((call) => call.callId));
    for (const call of this.list) {
      if (call.id && !listed.has(call.id)) void this.endUnseen(call);
    }
    for (const snapshot of connected.calls) this.adopt(snapshot);
    this.options.onHistory();
  }

  private adopt(snapshot: CallSnapshot): void {
    const { callId, peer: from, media, ringsForMs, via } = snapshot;
    const accepted = snapshot.state === 'CALL_STATE_ACCEPTED';
    const outgoing = snapshot.direction === 'CALL_DIRECTION_OUTGOING';
    const known =
      this.list.find((one) => one.id === callId) ??
      this.list.find((one) => outgoing && one.stage === 'placing');
    // Accepted without a grant: another device of this user is talking.
    if (accepted && !snapshot.grant) {
      if (known) this.end(known, 'CALL_CAUSE_ANSWERED_ELSEWHERE', 0);
      return;
    }
    if (!accepted && !outgoing) {
      this.ring({ kind: 'incoming', callId, from, media, ringsForMs, via });
      return;
    }
    const fields = fromSnapshot(snapshot, known);
    if (known) this.change(known.key, fields);
    else this.add(newCall(fields));
  }

  private ring({ callId: id, from: peer, media, ringsForMs, via }: Incoming): void {
    // Without it the caller hears nothing.
    this.options.request({ ringAck: { callId: id } }).catch(() => undefined);
    if (this.list.some((one) => one.id === id)) return;
    const video = media === 'CALL_MEDIA_VIDEO';
    const call = this.add(
      newCall({ id, direction: 'incoming', peer, via: viaOf(via), video, stage: 'incoming' }),
    );
    // The server ends it in time. This is for when we cannot hear the server.
    const stop = () => {
      const now = this.find(call.key);
      if (now?.stage === 'incoming') this.end(now, 'CALL_CAUSE_NO_ANSWER', 0);
    };
    this.ringTimers.set(call.key, setTimeout(stop, ringsForMs + RING_GRACE_MS));
  }

  private confirm(key: string, id: string, number: string): void {
    const call = this.find(key);
    if (!call) {
      this.finish(id, { cancel: { callId: id } });
      return;
    }
    // Both called each other: the reply names the call that was coming in, and it is accepted.
    const other = this.list.find((one) => one.id === id && one.key !== key);
    if (other) {
      this.remove(key);
      if (other.stage === 'incoming') this.change(other.key, { stage: 'accepting' });
      return;
    }
    const peer = { ...call.peer, number };
    if (!call.id) this.change(key, { id, peer, stage: 'placed' });
    const early = this.early.filter((event) => event.callId === id);
    this.early = [];
    for (const event of early) this.handle(event);
  }

  private end(call: Call, cause: CallCause, durationMs: number): void {
    this.remove(call.key);
    // With another call left on the screen (both called each other) there is nothing to explain.
    if (this.list.length === 0) this.tell(call, cause, durationMs, false);
    this.options.onHistory(call.id);
  }

  private async endUnseen(call: Call): Promise<void> {
    this.remove(call.key);
    const cause = await this.options.causeOf(call.id).catch(() => undefined);
    const durationMs = call.acceptedAt ? Date.now() - call.acceptedAt : 0;
    if (this.list.length > 0) return;
    this.tell(call, cause ?? 'CALL_CAUSE_CONNECTION_LOST', durationMs, false);
  }

  private tell(call: Call, cause: CallCause, durationMs: number, byMe: boolean): void {
    const { id, peer, direction, via, video } = call;
    this.state.update({ ended: { id, peer, direction, via, video, cause, byMe, durationMs } });
  }

  /** A request whose failure changes nothing for the person: the server's events tell the rest. */
  private finish(callId: string, request: Request): void {
    const done = () => this.options.onHistory(callId);
    this.options.request(request).then(done, (error: unknown) => {
      console.debug('offhook: request failed', callId, error);
    });
  }

  // ------------------------------------------------------------ the list

  private find(key: string): Call | undefined {
    return this.list.find((call) => call.key === key);
  }

  private add(fields: Omit<Call, 'key'>): Call {
    const call = { key: `call-${++this.keys}`, ...fields };
    this.list = [...this.list, call];
    this.state.update({ ended: undefined });
    this.publish();
    return call;
  }

  private change(key: string, fields: Partial<Call>): void {
    this.list = this.list.map((call) => (call.key === key ? { ...call, ...fields } : call));
    this.publish();
  }

  private remove(key: string): void {
    this.stopRingTimer(key);
    this.list = this.list.filter((call) => call.key !== key);
    this.publish();
  }

  private publish(): void {
    const current = [...this.list].sort((a, b) => RANK[b.stage] - RANK[a.stage])[0];
    this.state.update({ current });
  }

  private stopRingTimer(key: string): void {
    clearTimeout(this.ringTimers.get(key));
    this.ringTimers.delete(key);
  }
}

/** Which of two calls is on the screen; two happen only for a moment, when both sides call. */
const RANK: Record<Stage, number> = {
  incoming: 0,
  placing: 1,
  placed: 1,
  ringing: 1,
  accepting: 2,
  accepted: 3,
};

const RING_GRACE_MS = 5_000;
