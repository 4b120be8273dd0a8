import { expect, test } from 'vitest';
import { amount, rate, roundedDown } from './money';

/** Intl may put a no-break space or a sign of its own choice; the digits are ours. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ').replace('−', '-');

test('amounts are exact and have at least the usual decimals', () => {
  for (const [micros, currency, expected] of [
    [0n, 'USD', '$0.00'],
    [1n, 'USD', '$0.000001'],
    [45_000n, 'USD', '$0.045'],
    [4_370_000n, 'USD', '$4.37'],
    [-500_000n, 'USD', '-$0.50'],
    [-1n, 'USD', '-$0.000001'],
    [12_000_000n, 'JPY', '¥12'],
    [12_500_000n, 'JPY', '¥12.5'],
    [1_000n, 'KWD', 'KWD 0.001'],
    [1_234_567_890_000n, 'EUR', '€1,234,567.89'],
  ] as const) {
    expect(plain(amount(micros, currency)), `${micros}`).toBe(expected);
  }
});

test('prices per minute have four decimals or more', () => {
  for (const [micros, expected] of [
    [45_000n, '$0.0450'],
    [4_567n, '$0.004567'],
    [1_200_000n, '$1.2000'],
    [0n, '$0.0000'],
  ] as const) {
    expect(rate(micros, 'USD'), `${micros}`).toBe(expected);
  }
});

test('a glance at the balance never shows more than there is', () => {
  for (const [micros, currency, expected] of [
    [4_379_999n, 'USD', '$4.37'],
    [9_999n, 'USD', '$0.00'],
    [-1n, 'USD', '-$0.01'],
    [-10_000n, 'USD', '-$0.01'],
    [1_999_999n, 'JPY', '¥1'],
  ] as const) {
    expect(plain(roundedDown(micros, currency)), `${micros}`).toBe(expected);
  }
});

test('no digit is lost beyond what a float holds', () => {
  const most = 9_223_372_036_854_775_807n;
  expect(amount(most, 'USD')).toBe('$9,223,372,036,854.775807');
  expect(amount(9_007_199_254_740_993n, 'USD')).toBe('$9,007,199,254.740993');
});

test('a currency that is none still shows the amount', () => {
  for (const currency of ['', 'usd', 'dollars']) expect(amount(1_500_000n, currency)).toBe('1.50');
});
