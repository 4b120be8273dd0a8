// Everything the app says about prices, credit and the phone network.

import type { Balance, Quote, RequestFailed } from '../sdk';
import { amount, rate } from './money';
import { brief, waiting } from './times';

/** Seen before a call over the phone network is placed or answered, and during it. */
export const PHONE_NOTICE =
  'This call leaves end-to-end encryption: the phone network can hear it.';

export const HIDDEN_NUMBER = 'Hidden number';

export interface PriceWords {
  /** "$0.0450 per minute". */
  price: string;
  /** "billed per 6 s after the first 30 s"; empty where it does not matter. */
  steps: string;
  /** "$0.05 for the connection"; empty without one. */
  fee: string;
  /** "Your balance lasts 1 h 12 min"; empty where nothing limits it. */
  lasts: string;
}

export function priceWords(quote: Quote): PriceWords {
  const { currency, connectionFeeMicros: fee, perMinuteMicros: perMinute } = quote;
  const free = perMinute === 0n && fee === 0n;
  const timed = perMinute > 0n;
  const perTime = timed ? `${rate(perMinute, currency)} per minute` : 'No charge per minute';
  return {
    price: free ? 'Free' : perTime,
    steps: timed ? stepWords(quote.firstIncrementS, quote.nextIncrementS) : '',
    fee: fee > 0n ? `${amount(fee, currency)} for the connection` : '',
    lasts: quote.longestS > 0 && !free ? `Your balance lasts ${brief(quote.longestS * 1000)}` : '',
  };
}

function stepWords(first: number, next: number): string {
  if (next <= 0) return '';
  const each = next === 1 ? 'billed per second' : `billed per ${span(next)}`;
  return first > next ? `${each} after the first ${span(first)}` : each;
}

function span(seconds: number): string {
  if (seconds === 60) return 'minute';
  return brief(seconds * 1000);
}

/** What can still be spent: the balance and the credit, without what calls in progress may need. */
export function spendable(balance: Balance): bigint {
  return balance.bookedMicros - balance.reservedMicros + balance.creditLimitMicros;
}

export interface Refusal {
  text: string;
  /** A number that is not complete yet is no failure. */
  tone: 'soft' | 'bad';
  /** Whether asking again may help. */
  retry: boolean;
}

/** Why there is no price for a number. */
export function quoteRefused(error: RequestFailed): Refusal {
  const bad = (text: string): Refusal => ({ text, tone: 'bad', retry: false });
  const again = (text: string): Refusal => ({ text, tone: 'bad', retry: true });
  switch (error.code) {
    case 'ERROR_CODE_BAD_NUMBER':
    case 'ERROR_CODE_BAD_REQUEST':
      return { text: NOT_A_NUMBER, tone: 'soft', retry: false };
    case 'ERROR_CODE_NOT_PERMITTED':
      return bad(notPermitted(error));
    case 'ERROR_CODE_NO_CREDIT':
      return bad('Your balance doesn’t pay for a call there. Top it up, then try again.');
    case 'ERROR_CODE_NO_ROUTE':
      return again('No carrier takes calls to that number right now.');
    case 'ERROR_CODE_RATE_LIMITED':
      return again(`Many prices were asked for. The next comes in ${waiting(error.retryAfter)}.`);
    case 'ERROR_CODE_UNAVAILABLE':
      return again('Phone calls are not available right now.');
    case 'ERROR_CODE_SESSION_GONE':
    case undefined:
      return again('The price can’t be asked for: there is no connection to Offhook.');
    default:
      return again('The price could not be found out.');
  }
}

/** A call over the phone network that could not be placed. */
export function phoneRefused(error: RequestFailed): string | undefined {
  switch (error.code) {
    case 'ERROR_CODE_BAD_REQUEST':
    case 'ERROR_CODE_WRONG_STATE':
      return 'The call didn’t go out at that price. Look at the price and call again.';
    case 'ERROR_CODE_NOT_PERMITTED':
    case 'ERROR_CODE_NO_CREDIT':
    case 'ERROR_CODE_NO_ROUTE':
      return quoteRefused(error).text;
    default:
      return undefined;
  }
}

/** The server's sentence says which and whom to ask. */
function notPermitted(error: RequestFailed): string {
  const why = error.message.trim().replace(/\.$/, '');
  const sentence = why && `${why[0]?.toUpperCase()}${why.slice(1)}.`;
  return `Your account can’t call there. ${sentence}`.trim();
}

/** How a call sounded, from a mean opinion score in hundredths (steps of ITU-T G.107 Annex B). */
export function soundWords(mos: number): string {
  if (mos <= 0) return 'Not known';
  const word = SOUND.find(([least]) => mos >= least)?.[1] ?? 'Very bad';
  const tenths = Math.round(mos / 10);
  return `${word} (${Math.floor(tenths / 10)}.${tenths % 10} of 5)`;
}

const SOUND: [number, string][] = [
  [434, 'Excellent'],
  [403, 'Good'],
  [360, 'Fair'],
  [310, 'Poor'],
  [258, 'Bad'],
];

export const NOT_A_NUMBER =
  'Not a phone number yet. Type it as at home, or with + and the country code.';
