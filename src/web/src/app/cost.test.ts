import { expect, test } from 'vitest';
import { billedSeconds, costSoFar } from './cost';

function terms(first: number, next: number, perMinute = 60_000n, fee = 0n) {
  return {
    firstIncrementS: first,
    nextIncrementS: next,
    perMinuteMicros: perMinute,
    connectionFeeMicros: fee,
  };
}

test('time is rounded up to the first and then to further increments', () => {
  for (const [first, next, talkedMs, expected] of [
    [1, 1, 0, 1],
    [1, 1, 1_001, 2],
    [6, 6, 6_000, 6],
    [6, 6, 6_001, 12],
    [30, 6, 100, 30],
    [30, 6, 30_001, 36],
    [30, 6, 36_000, 36],
    [60, 60, 61_000, 120],
    [0, 0, 2_500, 3],
    [30, 6, -5_000, 30],
  ] as const) {
    expect(billedSeconds(terms(first, next), talkedMs), `${first}/${next}`).toBe(expected);
  }
});

test('the cost is the fee and the time, rounded up to a millionth', () => {
  expect(costSoFar(terms(1, 1), 60_000)).toBe(60_000n);
  expect(costSoFar(terms(60, 60, 45_000n, 50_000n), 1)).toBe(95_000n);
  expect(costSoFar(terms(1, 1, 1n), 1_000)).toBe(1n);
  expect(costSoFar(terms(1, 1, 0n), 90_000)).toBe(0n);
});
