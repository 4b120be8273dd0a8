import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('who is in a call is busy to others and is not disturbed', {}, async (stage) => {
  const { ada, bob } = await stage.twoInCall();
  const eve = await stage.signUp('+12025550103', 'Eve');
  await eve.call(bob.number);
  await eve.see('ended');
  assert.equal(await eve.at('ended').getAttribute('data-cause'), 'CALL_CAUSE_BUSY');
  assert.equal(await bob.at('incoming').count(), 0);
  await Promise.all([ada.hears(), bob.hears()]);
  await bob.click('hang-up');
  await bob.seeText('history-entry', 'Missed');
});
