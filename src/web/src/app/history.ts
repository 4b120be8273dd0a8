// The calls of the past, newest first, a page at a time.

import type { CallCause, HistoryEntry, Peer, Reply, Request } from '../sdk';
import { Observable } from './observable';

export interface HistoryState {
  calls: HistoryEntry[];
  more: boolean;
  loaded: boolean;
  failed: boolean;
}

export class History {
  readonly state = new Observable<HistoryState>(EMPTY);
  private loading = false;
  private stale = false;

  constructor(private readonly request: (request: Request) => Promise<Reply>) {}

  /** Reads the newest page. Asked for while reading, it reads once more afterwards. */
  async refresh(): Promise<void> {
    this.stale = true;
    if (this.loading) return;
    while (this.stale) {
      this.stale = false;
      await this.load(0);
    }
  }

  /**
   * Reads until a call that has just ended is there: the server tells of an end at once and writes it
   * down a moment later.
   */
  async expect(callId: string): Promise<void> {
    for (const pause of [0, ...PAUSES_MS]) {
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
      await this.refresh();
      const { calls, failed } = this.state.value;
      if (failed || calls.some((call) => call.callId === callId && call.endedAt > 0)) return;
    }
  }

  async loadMore(): Promise<void> {
    const last = this.state.value.calls.at(-1);
    if (last && !this.loading) await this.load(last.placedAt);
  }

  /**
   * Somebody with the name that they last called us with, where the server tells none: whom we call
   * does not thereby tell us their name.
   */
  known(peer: Peer): Peer {
    // Two hidden numbers are not one person.
    if (peer.displayName || !peer.number) return peer;
    const same = this.state.value.calls.filter((call) => call.peer.number === peer.number);
    const named = same.find((call) => call.peer.displayName);
    return named?.peer ?? peer;
  }

  async causeOf(callId: string): Promise<CallCause | undefined> {
    await this.expect(callId);
    return this.state.value.calls.find((call) => call.callId === callId)?.cause;
  }

  clear(): void {
    this.state.set(EMPTY);
  }

  private async load(before: number): Promise<void> {
    this.loading = true;
    try {
      const reply = await this.request({ history: { before: String(before), limit: PAGE } });
      if (reply.kind !== 'history') return;
      const earlier = before ? this.state.value.calls : [];
      const known = new Set(earlier.map((call) => call.callId));
      const calls = [...earlier, ...reply.calls.filter((call) => !known.has(call.callId))];
      this.state.set({ calls, more: reply.more, loaded: true, failed: false });
    } catch {
      this.state.update({ failed: true });
    } finally {
      this.loading = false;
    }
  }
}

const PAGE = 30;
// The longest are for a server whose disk is busy.
const PAUSES_MS = [150, 300, 600, 1200, 2500, 5000, 10_000];
const EMPTY: HistoryState = { calls: [], more: false, loaded: false, failed: false };
