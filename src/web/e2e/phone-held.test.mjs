import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('the other side holds the call and takes it back', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('08'));
  const line = await network.company.called();
  await ada.joined();
  await ada.seeText('hold-state', 'On hold by the other side');
  await ada.shot('phone-held');
  await ada.gone('hold-state');
  await Promise.all([ada.hearsTone(440), line.hears()]);
  assert.deepEqual(
    line.all('reoffered').map(({ status }) => status),
    [200, 200],
  );
  await ada.click('hang-up');
  await line.ended();
  await network.records(1);
});
