import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

// The second carrier is told another number, so that it answers.
const spare = { priority: 1, numbers: '12125550111>+12125550101 >+' };

phoneStory('the next trunk is tried', { trunks: { main: {}, spare } }, async (stage, network) => {
  const { main, spare: second } = network.companies;
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('11'));
  assert.equal((await (await main.called()).ended()).status, 503);
  const line = await second.called();
  assert.equal(line.to, far('01'));
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.click('hang-up');
  await line.ended();

  const [first, last] = await network.records(2);
  assert.equal(first.call_id, last.call_id);
  assert.deepEqual([first.attempt, first.sip_status, first.sell_amount_micros], [1, 503, 0]);
  assert.deepEqual([last.attempt, last.cause], [2, 'hung_up']);
  assert.ok(last.sell_amount_micros > 0);
  // A call that took two attempts is one call with one price.
  await ada.seeText('ended-cost', `It cost $${(last.sell_amount_micros / 1e6).toFixed(2)}.`);
});
