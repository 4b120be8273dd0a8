import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HistoryEntry, Reply } from '../sdk';
import { History } from './history';

function entry(callId: string, fields: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    callId,
    direction: 'CALL_DIRECTION_OUTGOING',
    peer: { number: '+12025550123', displayName: '' },
    media: 'CALL_MEDIA_AUDIO',
    cause: 'CALL_CAUSE_BUSY',
    placedAt: 10,
    acceptedAt: 0,
    endedAt: 20,
    via: 'CALL_VIA_APP',
    chargeMicros: 0n,
    currency: '',
    ...fields,
  };
}

function answering(...pages: HistoryEntry[][]) {
  const last = pages.at(-1) ?? [];
  const asked: any[] = [];
  const history = new History(async (request): Promise<Reply> => {
    asked.push(request);
    return { kind: 'history', calls: pages.shift() ?? last, more: true };
  });
  return { history, asked, ids: () => history.state.value.calls.map((call) => call.callId) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a call that is written down late is waited for', async () => {
  const { history, asked, ids } = answering([], [entry('a', { endedAt: 0 })], [entry('a')]);
  const cause = history.causeOf('a');
  await vi.runAllTimersAsync();
  expect(await cause).toBe('CALL_CAUSE_BUSY');
  expect(ids()).toEqual(['a']);
  expect(asked).toHaveLength(3);
});

test('a call that never comes is not waited for forever', async () => {
  const { history, asked } = answering([]);
  const cause = history.causeOf('a');
  await vi.runAllTimersAsync();
  expect(await cause).toBeUndefined();
  expect(asked).toHaveLength(8);
});

test('the next page begins before the last call, and none is shown twice', async () => {
  const { history, asked, ids } = answering([entry('b')], [entry('b'), entry('a')]);
  await history.refresh();
  await history.loadMore();
  expect(asked[1]).toMatchObject({ history: { before: '10' } });
  expect(ids()).toEqual(['b', 'a']);
});

test('a number goes by the name that its owner called with', async () => {
  const named = entry('a', { peer: { number: '+12025550123', displayName: 'Ada' } });
  const { history } = answering([entry('b'), named]);
  await history.refresh();
  expect(history.known({ number: '+12025550123', displayName: '' }).displayName).toBe('Ada');
  expect(history.known({ number: '+12025550199', displayName: '' }).displayName).toBe('');
});

test('a hidden number does not go by the name of another', async () => {
  const { history } = answering([entry('a', { peer: { number: '', displayName: 'Ada' } })]);
  await history.refresh();
  expect(history.known({ number: '', displayName: '' }).displayName).toBe('');
});
