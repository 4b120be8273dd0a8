import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('a call that is declined says so to the caller', {}, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob');
  await ada.call(bob.number);
  await bob.click('decline');
  await bob.see('home');
  await ada.see('ended');
  assert.equal(await ada.at('ended').getAttribute('data-cause'), 'CALL_CAUSE_DECLINED');
  await ada.seeText('history-entry', 'Declined');
  await bob.seeText('history-entry', 'Declined');
});
