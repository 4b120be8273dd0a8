// Calls over the phone network: what they cost, and what can be done during one. Money is a bigint
// of millionths of the currency's main unit, never a float.

import { RequestFailed } from './accounts';
import { big, int, text, type Fields } from './json';
import type { Reply, Request } from './messages';

export interface Quote {
  quoteId: string;
  /** The number as it was understood: E.164 or a short code. */
  number: string;
  /** Where that is, in words. */
  destination: string;
  perMinuteMicros: bigint;
  connectionFeeMicros: bigint;
  /** ISO 4217. */
  currency: string;
  /** Seconds that the first and all further time is rounded up to. */
  firstIncrementS: number;
  nextIncrementS: number;
  /** For how long the price is kept. */
  validForMs: number;
  /** How long the balance lasts; 0 where nothing limits it. */
  longestS: number;
  emergency: boolean;
}

export interface Balance {
  /** Below zero on credit. */
  bookedMicros: bigint;
  /** Set aside for calls in progress. */
  reservedMicros: bigint;
  creditLimitMicros: bigint;
  currency: string;
}

export interface Charge {
  callId: string;
  destination: string;
  perMinuteMicros: bigint;
  connectionFeeMicros: bigint;
  talkedMs: number;
  billedS: number;
  amountMicros: bigint;
  currency: string;
  /** Mean opinion score in hundredths, 100 to 500; 0 when unknown. */
  mos: number;
  /** False while the call goes on: figures so far. */
  closed: boolean;
}

/** At most so many keys go into one PressKeys. */
export const KEYS_AT_ONCE = 32;

/** Every method fails with [RequestFailed]. */
export class Phone {
  constructor(private readonly request: (request: Request) => Promise<Reply>) {}

  /** What a call to a number would cost; the number may be typed as in one's own country. */
  async quote(number: string): Promise<Quote> {
    const reply = await this.request({ quote: { number } });
    return reply.kind === 'quote' ? reply.quote : unexpected();
  }

  async balance(): Promise<Balance> {
    const reply = await this.request({ balance: {} });
    return reply.kind === 'balance' ? reply.balance : unexpected();
  }

  /** What a call cost, or costs so far. */
  async charge(callId: string): Promise<Charge> {
    const reply = await this.request({ charge: { callId } });
    return reply.kind === 'charge' ? reply.charge : unexpected();
  }

  /** 0 to 9, *, #, A to D, at most [KEYS_AT_ONCE]. */
  async pressKeys(callId: string, keys: string): Promise<void> {
    await this.request({ press: { callId, keys } });
  }

  async hold(callId: string, held: boolean): Promise<void> {
    // False is protobuf's default and may be left out, but is clearer when said.
    await this.request({ hold: { callId, held } });
  }
}

function unexpected(): never {
  const message = 'the answer is of another kind';
  throw new RequestFailed({ code: 'ERROR_CODE_INTERNAL', message });
}

export function readQuote(f: Fields): Quote {
  return {
    quoteId: text(f.quoteId),
    number: text(f.number),
    destination: text(f.destination),
    perMinuteMicros: big(f.perMinuteMicros),
    connectionFeeMicros: big(f.connectionFeeMicros),
    currency: text(f.currency),
    firstIncrementS: int(f.firstIncrementS),
    nextIncrementS: int(f.nextIncrementS),
    validForMs: int(f.validForMs),
    longestS: int(f.longestS),
    emergency: f.emergency === true,
  };
}

export function readBalance(f: Fields): Balance {
  return {
    bookedMicros: big(f.bookedMicros),
    reservedMicros: big(f.reservedMicros),
    creditLimitMicros: big(f.creditLimitMicros),
    currency: text(f.currency),
  };
}

export function readCharge(f: Fields): Charge {
  return {
    callId: text(f.callId),
    destination: text(f.destination),
    perMinuteMicros: big(f.perMinuteMicros),
    connectionFeeMicros: big(f.connectionFeeMicros),
    talkedMs: int(f.talkedMs),
    billedS: int(f.billedS),
    amountMicros: big(f.amountMicros),
    currency: text(f.currency),
    mos: int(f.mos),
    closed: f.closed === true,
  };
}
