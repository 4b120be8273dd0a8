import { expect, test } from 'vitest';
import { dialable, prettyNumber } from './countries';
import { clock, spoken, when } from './times';

test('numbers are grouped for reading', () => {
  for (const [number, pretty] of [
    ['+12025550123', '+1 202 555 0123'],
    ['+4915112345678', '+49 151 123 456 78'],
    ['+3546601234', '+354 660 1234'],
    ['anonymous', 'anonymous'],
  ] as const) {
    expect(prettyNumber(number)).toBe(pretty);
  }
});

test('typed numbers lose their decoration, and what is no number is refused', () => {
  for (const [typed, digits] of [
    ['+49 151-123 45 67', '+491511234567'],
    ['(202) 555.0123', '2025550123'],
    ['0049 151 1234567', '+491511234567'],
    ['', undefined],
    ['+', undefined],
    ['call me', undefined],
    ['+1234567890123456', undefined],
  ] as const) {
    expect(dialable(typed), typed).toBe(digits);
  }
});

test('times are told as people tell them', () => {
  expect([0, 7_000, 187_000, 3_729_000].map(clock)).toEqual(['0:00', '0:07', '3:07', '1:02:09']);
  expect(spoken(125_000)).toBe('2 minutes 5 seconds');
  expect(spoken(1_000)).toBe('1 second');
  const noon = new Date(2026, 10, 22, 12).getTime();
  expect(when(noon - 86_400_000, noon)).toBe('Yesterday');
});
