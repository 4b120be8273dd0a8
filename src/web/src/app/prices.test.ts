import { expect, test } from 'vitest';
import { RequestFailed, type Quote } from '../sdk';
import { pasted, phoneDialable } from './countries';
import { priceWords, quoteRefused, soundWords } from './prices';

const quote: Quote = {
  quoteId: 'q',
  number: '+4915112345678',
  destination: 'Germany, mobile',
  perMinuteMicros: 45_000n,
  connectionFeeMicros: 50_000n,
  currency: 'USD',
  firstIncrementS: 30,
  nextIncrementS: 6,
  validForMs: 60_000,
  longestS: 4_320,
  emergency: false,
};

test('a price is told as a person would', () => {
  expect(priceWords(quote)).toEqual({
    price: '$0.0450 per minute',
    steps: 'billed per 6 s after the first 30 s',
    fee: '$0.05 for the connection',
    lasts: 'Your balance lasts 1 h 12 min',
  });
  for (const [first, next, steps] of [
    [1, 1, 'billed per second'],
    [6, 6, 'billed per 6 s'],
    [60, 60, 'billed per minute'],
    [60, 1, 'billed per second after the first minute'],
  ] as const) {
    const words = priceWords({ ...quote, firstIncrementS: first, nextIncrementS: next });
    expect(words.steps).toBe(steps);
  }
});

test('what costs nothing is free, and what nothing limits has no end', () => {
  const free = { ...quote, perMinuteMicros: 0n, connectionFeeMicros: 0n, longestS: 0 };
  expect(priceWords(free)).toEqual({ price: 'Free', steps: '', fee: '', lasts: '' });
});

test('an incomplete number is no failure, a refusal says what the server says', () => {
  expect(quoteRefused(new RequestFailed({ code: 'ERROR_CODE_BAD_NUMBER' })).tone).toBe('soft');
  const message = 'premium numbers are off; ask support';
  const refused = quoteRefused(new RequestFailed({ code: 'ERROR_CODE_NOT_PERMITTED', message }));
  expect(refused).toMatchObject({ tone: 'bad', retry: false });
  expect(refused.text).toContain('Premium numbers are off; ask support');
  expect(quoteRefused(new RequestFailed({})).retry).toBe(true);
});

test('sound is told in words', () => {
  for (const [mos, words] of [
    [0, 'Not known'],
    [441, 'Excellent (4.4 of 5)'],
    [421, 'Good (4.2 of 5)'],
    [360, 'Fair (3.6 of 5)'],
    [300, 'Bad (3.0 of 5)'],
    [100, 'Very bad (1.0 of 5)'],
  ] as const) {
    expect(soundWords(mos)).toBe(words);
  }
});

test('short codes can be dialed over the phone network', () => {
  for (const [typed, digits] of [
    ['112', '112'],
    ['0151 1234-5678', '015112345678'],
    ['0049 151 12345678', '+4915112345678'],
    ['1', undefined],
    ['+49', undefined],
    ['*100#', undefined],
  ] as const) {
    expect(phoneDialable(typed), typed).toBe(digits);
  }
});

test('what is pasted loses what does not belong to a number', () => {
  for (const [text, kept] of [
    ['tel:+49-151-12345678', '+49-151-12345678'],
    [' Call +1 (202) 555 0123 now ', '+1 (202) 555 0123'],
    ['hello', ''],
  ] as const) {
    expect(pasted(text), text).toBe(kept);
  }
});
