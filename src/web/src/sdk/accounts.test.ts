import { expect, test, vi } from 'vitest';
import { Accounts, RequestFailed } from './accounts';

function answering(...answers: [number, unknown][]) {
  const fetcher = vi.fn(async (_url: unknown, _init?: RequestInit) => {
    const [status, body] = answers.shift() ?? [500, ''];
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  });
  return { accounts: new Accounts('https://x', fetcher as typeof fetch), fetcher };
}

const headers = (call: unknown[]) => (call[1] as RequestInit).headers as Record<string, string>;

test('an error of the protocol keeps its code and its patience', async () => {
  const refusal = { code: 'ERROR_CODE_RATE_LIMITED', message: 'slow', retryAfter: 9 };
  const { accounts } = answering([429, refusal]);
  const failed = accounts.requestCode('+1', '');
  await expect(failed).rejects.toMatchObject({ code: 'ERROR_CODE_RATE_LIMITED', retryAfter: 9 });
});

test('an answer of a proxy is read by its status', async () => {
  for (const [status, code] of [
    [401, 'ERROR_CODE_UNAUTHENTICATED'],
    [429, 'ERROR_CODE_RATE_LIMITED'],
    [502, 'ERROR_CODE_UNAVAILABLE'],
    [500, 'ERROR_CODE_INTERNAL'],
    [404, 'ERROR_CODE_BAD_REQUEST'],
  ] as const) {
    const { accounts } = answering([status, '<html>']);
    await expect(accounts.refresh('r')).rejects.toMatchObject({ code });
  }
});

test('no network is an error without a code', async () => {
  const down = async () => Promise.reject(new TypeError('offline'));
  const failed = new Accounts('https://x', down as typeof fetch).refresh('r');
  await expect(failed).rejects.toThrow(RequestFailed);
  await expect(failed).rejects.toMatchObject({ code: undefined });
});

test('a refused bearer token is renewed once', async () => {
  const no: [number, unknown] = [401, { code: 'ERROR_CODE_UNAUTHENTICATED' }];
  const { accounts, fetcher } = answering(no, [200, { devices: [{ id: 'd' }] }]);
  const bearer = vi.fn(async (refused?: string) => (refused ? 'new' : 'old'));
  expect(await accounts.devices(bearer)).toMatchObject([{ id: 'd' }]);
  const sent = fetcher.mock.calls.map((call) => headers(call).authorization);
  expect(sent).toEqual(['Bearer old', 'Bearer new']);
});
