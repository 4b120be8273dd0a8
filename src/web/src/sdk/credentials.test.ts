import { expect, test, vi } from 'vitest';
import { RequestFailed } from './accounts';
import { Credentials } from './credentials';
import type { Tokens } from './messages';

const MINUTE = 60_000;

function tokens(name: string, lifeMs: number): Tokens {
  return {
    accessToken: `access-${name}`,
    accessExpiresAt: Date.now() + lifeMs,
    refreshToken: `refresh-${name}`,
    user: { id: 'u', number: '+12025550123', displayName: 'Ada' },
    device: { id: 'd', name: 'x', createdAt: 0, lastSeenAt: 0, current: true },
  };
}

function storage() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

/** One lock for all tabs of a test. */
function lock() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(task: () => Promise<T>): Promise<T> => {
    const run = last.then(task, task);
    last = run.catch(() => undefined);
    return run;
  };
}

test('a good token is used as it is', async () => {
  const refresh = vi.fn();
  const credentials = new Credentials({ refresh }, storage(), lock());
  credentials.keep(tokens('a', 5 * MINUTE));
  expect(await credentials.bearer()).toBe('access-a');
  expect(refresh).not.toHaveBeenCalled();
});

test('an old token is renewed once for all who ask at the same time', async () => {
  const refresh = vi.fn(async () => tokens('b', 5 * MINUTE));
  const credentials = new Credentials({ refresh }, storage(), lock());
  credentials.keep(tokens('a', 1000));
  const both = await Promise.all([credentials.bearer(), credentials.bearer()]);
  expect(both).toEqual(['access-b', 'access-b']);
  expect(refresh.mock.calls).toEqual([['refresh-a']]);
});

test('two tabs never use one refresh token twice', async () => {
  const refresh = vi.fn(async () => tokens('b', 5 * MINUTE));
  const [shared, exclusive] = [storage(), lock()];
  new Credentials({ refresh }, shared, exclusive).keep(tokens('a', 1000));
  const tabs = [1, 2].map(() => new Credentials({ refresh }, shared, exclusive));
  const both = await Promise.all(tabs.map((tab) => tab.bearer()));
  expect(both).toEqual(['access-b', 'access-b']);
  expect(refresh).toHaveBeenCalledTimes(1);
});

test('a refused token is renewed although it looks good', async () => {
  const refresh = vi.fn(async () => tokens('b', 5 * MINUTE));
  const credentials = new Credentials({ refresh }, storage(), lock());
  credentials.keep(tokens('a', 5 * MINUTE));
  expect(await credentials.bearer('access-a')).toBe('access-b');
});

test('a revoked device forgets its tokens, a lost network does not', async () => {
  const shared = storage();
  const refresh = vi.fn().mockRejectedValueOnce(new RequestFailed({}));
  const credentials = new Credentials({ refresh }, shared, lock());
  credentials.keep(tokens('a', 1000));
  await expect(credentials.bearer()).rejects.toThrow(RequestFailed);
  expect(credentials.signedIn).toBe(true);
  refresh.mockRejectedValueOnce(new RequestFailed({ code: 'ERROR_CODE_UNAUTHENTICATED' }));
  await expect(credentials.bearer()).rejects.toThrow(RequestFailed);
  expect(credentials.signedIn).toBe(false);
});
