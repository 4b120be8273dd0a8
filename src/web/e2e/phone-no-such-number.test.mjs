import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('an announcement says that a number does not exist', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('06'));
  const line = await network.company.called();
  await Promise.all([ada.hearsTone(697), ada.hearsTone(941)]);
  const { status, cause, answered } = await line.ended();
  assert.deepEqual([status, cause, answered], [404, 1, false]);
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_UNAVAILABLE');
  await ada.seeText('ended-detail', 'The number may not exist');
  await ada.shot('phone-no-such-number');
  const [record] = await network.records(1);
  assert.deepEqual([record.q850_cause, record.sell_amount_micros], [1, 0]);
});
