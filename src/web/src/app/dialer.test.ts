import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RequestFailed, type ErrorCode, type Quote } from '../sdk';
import { Dialer } from './dialer';

function quoteOf(number: string, fields: Partial<Quote> = {}): Quote {
  return {
    quoteId: `q-${number}`,
    number,
    destination: 'Germany, mobile',
    perMinuteMicros: 45_000n,
    connectionFeeMicros: 0n,
    currency: 'USD',
    firstIncrementS: 30,
    nextIncrementS: 6,
    validForMs: 60_000,
    longestS: 0,
    emergency: false,
    ...fields,
  };
}

function world() {
  const asked: string[] = [];
  const answers: { resolve: (quote: Quote) => void; reject: (error: unknown) => void }[] = [];
  const quote = (number: string) => {
    asked.push(number);
    return new Promise<Quote>((resolve, reject) => answers.push({ resolve, reject }));
  };
  const dialer = new Dialer({ quote }, 'phone');
  const price = () => dialer.state.value.price;
  const pause = (ms = 400) => vi.advanceTimersByTimeAsync(ms);
  const answer = async (fields: Partial<Quote> = {}) => {
    answers.at(-1)?.resolve(quoteOf(asked.at(-1) ?? '', fields));
    await pause(0);
  };
  const refuse = async (code: ErrorCode, retryAfter = 0) => {
    answers.at(-1)?.reject(new RequestFailed({ code, retryAfter }));
    await pause(0);
  };
  return { dialer, asked, answers, price, pause, answer, refuse };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the price is asked for once typing pauses, and a call waits for it', async () => {
  const w = world();
  w.dialer.type('+49 151 1234567');
  await w.pause(399);
  w.dialer.type('+49 151 12345678');
  await w.pause(399);
  expect(w.asked).toEqual([]);
  await w.pause(1);
  expect(w.asked).toEqual(['+4915112345678']);
  expect(w.dialer.quote).toBeUndefined();
  await w.answer();
  expect(w.dialer.quote?.quoteId).toBe('q-+4915112345678');
});

test('a price is gone with the first change of the number', async () => {
  const w = world();
  w.dialer.type('+4915112345678');
  await w.pause();
  await w.answer();
  w.dialer.type('+491511234567');
  expect(w.dialer.quote).toBeUndefined();
  expect(w.price().stage).toBe('asking');
});

test('spaces change nothing', async () => {
  const w = world();
  w.dialer.type('+4915112345678');
  await w.pause();
  await w.answer();
  w.dialer.type('+49 151 12345678');
  expect(w.dialer.quote).toBeDefined();
  await w.pause();
  expect(w.asked).toHaveLength(1);
});

test('an answer for a number that is not typed any more is not shown', async () => {
  const w = world();
  w.dialer.type('+4915112345678');
  await w.pause();
  const late = w.answers[0];
  w.dialer.type('112');
  await w.pause();
  late?.resolve(quoteOf('+4915112345678'));
  await w.pause(0);
  expect(w.price()).toMatchObject({ stage: 'asking', number: '112' });
  w.dialer.clear();
  await w.answer({ emergency: true });
  expect(w.price()).toEqual({ stage: 'none' });
});

test('an app call asks for no price', async () => {
  const w = world();
  w.dialer.choose('app');
  w.dialer.type('+4915112345678');
  await w.pause();
  expect(w.asked).toEqual([]);
  expect(w.dialer.number).toBe('+4915112345678');
  w.dialer.choose('phone');
  await w.pause();
  expect(w.asked).toHaveLength(1);
});

test('a price is renewed before it ends, and stays on the screen meanwhile', async () => {
  const w = world();
  w.dialer.type('112');
  await w.pause();
  await w.answer();
  await w.pause(55_000);
  expect(w.asked).toHaveLength(2);
  expect(w.dialer.quote?.quoteId).toBe('q-112');
  await w.answer({ quoteId: 'newer' });
  expect(w.dialer.quote?.quoteId).toBe('newer');
});

test('a page that is left open stops asking', async () => {
  const w = world();
  w.dialer.type('112');
  await w.pause();
  for (let i = 0; i < 20; i += 1) {
    await w.answer();
    await w.pause(60_000);
  }
  expect(w.asked).toHaveLength(11);
  expect(w.price().stage).toBe('stale');
  expect(w.dialer.quote).toBeUndefined();
  w.dialer.refresh();
  await w.answer();
  expect(w.dialer.quote).toBeDefined();
});

test('a refusal is told, and asking again is possible', async () => {
  const w = world();
  w.dialer.type('+4915112345678');
  await w.pause();
  await w.refuse('ERROR_CODE_NO_CREDIT');
  expect(w.price()).toMatchObject({ stage: 'refused', error: { code: 'ERROR_CODE_NO_CREDIT' } });
  w.dialer.refresh();
  await w.answer();
  expect(w.dialer.quote).toBeDefined();
});

test('too many questions wait as long as the server asks', async () => {
  const w = world();
  w.dialer.type('+4915112345678');
  await w.pause();
  await w.refuse('ERROR_CODE_RATE_LIMITED', 7);
  await w.pause(6_999);
  expect(w.asked).toHaveLength(1);
  await w.pause(1);
  expect(w.asked).toHaveLength(2);
});
