import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('where an account cannot call is said before the call', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const refused = async (number, code, words) => {
    await ada.dialPhone(number);
    await ada.seeText('price-refused', words);
    assert.equal(await ada.at('price-refused').getAttribute('data-code'), code);
    assert.ok(await ada.at('call-phone').isDisabled());
  };
  const off = 'Calls to destinations like this one are off';
  await refused('+1 900 555 0101', 'ERROR_CODE_NOT_PERMITTED', off);
  await ada.shot('phone-not-permitted');
  await refused('+49 30 901820', 'ERROR_CODE_NO_ROUTE', 'No carrier takes calls to that number');
  await ada.shot('phone-no-route');
  assert.ok(!network.company.events.some(({ event }) => event === 'invite'));
});

phoneStory('an emergency call needs no credit', { credit: '0' }, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.dialPhone(far('01'));
  await ada.seeText('price-refused', 'Your balance doesn’t pay for a call there');
  await ada.shot('phone-no-credit');

  await ada.dialPhone('911');
  await ada.seeText('price-rate', 'Free, and it works without credit');
  await ada.shot('phone-emergency');
  await ada.click('call-phone');
  const line = await network.company.called();
  assert.equal(line.to, '911');
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.click('hang-up');
  await line.ended();
  const [record] = await network.records(1);
  assert.deepEqual([record.to_number, record.sell_amount_micros], ['911', 0]);
  const { booked_micros: left } = await network.account(ada.number);
  assert.equal(left, 0);
});
