import assert from 'node:assert/strict';
import { far, MICROS_PER_SECOND, phoneStory } from './harness/phone-story.mjs';

phoneStory('a phone call from its price to its charge', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.seeText('balance', '$5.00');
  await ada.dialPhone(far('05'));
  await ada.see('phone-notice');
  await ada.seeText('destination', 'United States');
  await ada.seeText('price-rate', '$0.6000 per minute, billed per second');
  await ada.shot('phone-price');
  await ada.click('call-phone');

  // An announcement before the answer; nobody has picked up.
  const line = await network.company.called();
  assert.deepEqual([line.from, line.to], [ada.number, far('05')]);
  await ada.see('outgoing');
  await ada.see('phone-notice');
  await Promise.all([ada.hearsTone(697), ada.hearsTone(941)]);
  await ada.shot('phone-early');
  assert.equal(line.all('answered').length, 0);

  await line.answered();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.seeText('reserved', '$');
  await ada.shot('phone-talk');

  await ada.click('hang-up');
  const ended = await line.ended();
  assert.deepEqual([ended.by, ended.cause], ['them', 16]);
  const [record] = await network.records(1);
  assert.equal(record.cause, 'hung_up');
  assert.equal(record.ended_by, 'caller');
  assert.equal(record.sell_billed_s, Math.ceil(record.talked_ms / 1000));
  assert.equal(record.sell_amount_micros, record.sell_billed_s * MICROS_PER_SECOND);

  const paid = `$${(record.sell_amount_micros / 1e6).toFixed(2)}`;
  await ada.seeText('ended-cost', `It cost ${paid}`);
  await ada.shot('phone-ended');
  await ada.click('open-call');
  await ada.seeText('detail-cost', 'Amount');
  await ada.seeText('detail-amount', paid);
  await ada.shot('phone-detail');
  const { booked_micros: left } = await network.account(ada.number);
  assert.equal(left, 5_000_000 - record.sell_amount_micros);
});
