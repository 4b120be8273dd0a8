import assert from 'node:assert/strict';
import { far, MICROS_PER_SECOND, phoneStory } from './harness/phone-story.mjs';

// Twelve seconds, and half of one that nobody gets.
const options = { credit: '0.125', money: 'least_s = 5\nwarning_s = 6\nlead_s = 1' };

phoneStory('a call ends at the second that the credit pays', options, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.dialPhone(far('01'));
  await ada.seeText('price-lasts', 'Your balance lasts 12 s');
  await ada.click('call-phone');
  const line = await network.company.called();
  await ada.joined();
  await ada.hearsTone(440);

  await ada.seeText('cut-off', 'Your credit is running out');
  await ada.seeText('cut-off-left', /0:0\d/);
  await ada.shot('phone-cut-off');

  await line.until('bye');
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_CREDIT_ENDED');
  await ada.seeText('ended-title', 'Your credit ran out');
  await ada.seeText('ended-cost', 'It cost $0.12.');
  await ada.shot('phone-credit-ended');

  const [record] = await network.records(1);
  const { cause, ended_by: by, sell_billed_s: billed, sell_amount_micros: paid } = record;
  assert.deepEqual([cause, by], ['credit_ended', 'house']);
  assert.deepEqual([billed, paid], [12, 12 * MICROS_PER_SECOND]);
  const { booked_micros: left, reserved_micros: kept } = await network.account(ada.number);
  assert.deepEqual([left, kept], [5_000, 0]);

  // What is left pays for nothing any more.
  await ada.dialPhone(far('01'));
  await ada.seeText('price-refused', 'Your balance doesn’t pay for a call there');
});
