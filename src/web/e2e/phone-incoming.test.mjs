import assert from 'node:assert/strict';
import { far, OURS, phoneStory } from './harness/phone-story.mjs';

const CALLER = '+12125550199';

phoneStory('a phone calls in', {}, async (stage, network) => {
  const { company } = network;
  const ada = await stage.signUp('+12025550101', 'Ada');
  await network.online('number', 'put', OURS, '--user', ada.number);

  const first = await company.call(CALLER, OURS);
  await ada.seeText('incoming-name', '+1 212 555 0199');
  await ada.see('phone-notice');
  await first.until('progress', ({ status }) => status === 180);
  await ada.shot('phone-incoming');
  await ada.click('accept-audio');
  await first.answered();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), first.hears()]);

  // Who talks is busy, and is not disturbed.
  const second = await company.call(CALLER, OURS);
  assert.equal((await second.ended()).status, 486);
  assert.equal(await ada.at('incoming').count(), 0);

  first.hangUp();
  await ada.seeText('ended-title', '+1 212 555 0199 ended the call');
  assert.equal((await first.ended()).answered, true);
  await ada.click('dismiss-ended');

  const third = await company.call(CALLER, OURS);
  await ada.see('incoming');
  await ada.click('decline');
  const { status, cause } = await third.ended();
  assert.deepEqual([status, cause], [603, 21]);

  const records = await network.records(3);
  assert.ok(records.every((one) => one.direction === 'in' && one.sell_amount_micros === 0));
  assert.deepEqual(records.map((one) => one.cause).sort(), ['busy', 'declined', 'hung_up']);
});

phoneStory('who makes a phone call is busy for phones', {}, async (stage, network) => {
  const { company } = network;
  const ada = await stage.signUp('+12025550101', 'Ada');
  await network.online('number', 'put', OURS, '--user', ada.number);
  await ada.callPhone(far('01'));
  const out = await company.called();
  await ada.joined();
  const other = await company.call(CALLER, OURS);
  const { status, cause } = await other.ended();
  assert.deepEqual([status, cause], [486, 17]);
  await ada.hearsTone(440);
  await ada.click('hang-up');
  await out.ended();
  await network.records(2);
});
