import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('a phone that nobody answers stops ringing', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('04'));
  const line = await network.company.called();
  await ada.seeText('outgoing-state', 'Ringing');
  await ada.shot('phone-ringing');
  await ada.click('cancel');
  const { answered, status } = await line.ended();
  assert.deepEqual([answered, status], [false, 487]);
  await ada.see('home');
  const [record] = await network.records(1);
  assert.deepEqual([record.cause, record.sell_amount_micros], ['cancelled', 0]);
  await ada.seeText('balance', '$5.00');
});

const soon = { more: '[phone.calls]\nring_s = 3' };

phoneStory('a phone rings no longer than it may', soon, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('04'));
  const line = await network.company.called();
  assert.equal((await line.ended()).answered, false);
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_NO_ANSWER');
  const [record] = await network.records(1);
  assert.deepEqual([record.cause, record.sell_amount_micros], ['no_answer', 0]);
});
