import { expect, test, vi } from 'vitest';
import { faceOf, Keys } from './keys';

function world() {
  const sent: string[] = [];
  const answers: { resolve: () => void; reject: () => void }[] = [];
  const pressKeys = (callId: string, keys: string) => {
    sent.push(`${callId} ${keys}`);
    return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }));
  };
  const onFailed = vi.fn();
  return { keys: new Keys({ pressKeys }, onFailed), sent, answers, onFailed };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

test('keys arrive in order, those pressed meanwhile together', async () => {
  const w = world();
  for (const face of '1234') void w.keys.press('c', face);
  expect(w.sent).toEqual(['c 1']);
  w.answers[0]?.resolve();
  await settle();
  expect(w.sent).toEqual(['c 1', 'c 234']);
  expect(w.keys.state.value).toEqual({ callId: 'c', faces: '1234' });
});

test('no message holds more keys than the server takes', async () => {
  const w = world();
  for (const face of `1${'2'.repeat(40)}`) void w.keys.press('c', face);
  for (const i of [0, 1]) {
    w.answers[i]?.resolve();
    await settle();
  }
  expect(w.sent.map((one) => one.length - 2)).toEqual([1, 32, 8]);
});

test('after a failure the rest is not sent, and the next key is', async () => {
  const w = world();
  for (const face of '123') void w.keys.press('c', face);
  w.answers[0]?.reject();
  await settle();
  expect(w.onFailed).toHaveBeenCalledTimes(1);
  void w.keys.press('c', '9');
  expect(w.sent).toEqual(['c 1', 'c 9']);
});

test('keys of one call do not go to the next', async () => {
  const w = world();
  for (const face of '12') void w.keys.press('c', face);
  void w.keys.press('d', '7');
  w.answers[0]?.resolve();
  await settle();
  expect(w.sent).toEqual(['c 1', 'd 7']);
  expect(w.keys.state.value).toEqual({ callId: 'd', faces: '7' });
});

test('only keys of a telephone are keys', () => {
  expect(['0', '9', '*', '#'].map(faceOf)).toEqual(['0', '9', '*', '#']);
  for (const key of ['a', '+', 'Enter', 'F1', '']) expect(faceOf(key), key).toBeUndefined();
});
