import { expect, test } from 'vitest';
import { loudness } from './ear';

test('loudness is the root mean square', () => {
  const tone = Float32Array.from({ length: 480 }, (_, i) => Math.sin((i * Math.PI) / 24));
  expect(loudness(tone)).toBeCloseTo(Math.SQRT1_2, 3);
  expect(loudness(new Float32Array(480))).toBe(0);
  expect(loudness(new Float32Array(0))).toBe(0);
});
