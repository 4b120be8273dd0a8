// What a call over the phone network costs while it goes on, from the price that was agreed to.
// The server's charge is the truth; this is so that nobody has to wait for it.

import type { Quote } from '../sdk';

type Terms = Pick<
  Quote,
  'perMinuteMicros' | 'connectionFeeMicros' | 'firstIncrementS' | 'nextIncrementS'
>;

/** In seconds: the time since the answer, rounded up to the first, then to further increments. */
export function billedSeconds(terms: Terms, talkedMs: number): number {
  const talked = Math.ceil(Math.max(0, talkedMs) / 1000);
  const first = Math.max(1, terms.firstIncrementS);
  const next = Math.max(1, terms.nextIncrementS);
  if (talked <= first) return first;
  return first + Math.ceil((talked - first) / next) * next;
}

/** In millionths, rounded up: an estimate should not be below what is charged. */
export function costSoFar(terms: Terms, talkedMs: number): bigint {
  const time = terms.perMinuteMicros * BigInt(billedSeconds(terms, talkedMs));
  return terms.connectionFeeMicros + (time + 59n) / 60n;
}
