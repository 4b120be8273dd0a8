import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('a page reloaded in a phone call comes back into it', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('01'));
  const line = await network.company.called();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);

  await ada.page.reload();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.see('phone-badge');
  // The price that was agreed to is forgotten; the server knows what it has come to.
  await ada.seeText('running-cost', '$0.6000 per minute');
  await ada.seeText('running-cost', /About \$0\.0[1-9]/);
  await ada.shot('phone-reloaded');

  await ada.click('hang-up');
  await line.ended();
  const [record, ...more] = await network.records(1);
  assert.deepEqual([record.cause, more.length], ['hung_up', 0]);
});
