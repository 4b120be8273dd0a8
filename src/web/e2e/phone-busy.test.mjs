import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('busy and declined are told apart, and cost nothing', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('03'));
  assert.equal((await (await network.company.called()).ended()).status, 486);
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_BUSY');
  await ada.shot('phone-busy');
  await ada.click('dismiss-ended');

  await ada.callPhone(far('10'));
  assert.equal((await (await network.company.called()).ended()).status, 603);
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_DECLINED');

  const records = await network.records(2);
  const facts = records.map((one) => [one.cause, one.sip_status, one.q850_cause]);
  assert.deepEqual(facts, [['busy', 486, 17], ['declined', 603, 21]]);
  assert.ok(records.every((one) => one.sell_amount_micros === 0 && one.answered_at === null));
  await ada.seeText('balance', '$5.00');
});
