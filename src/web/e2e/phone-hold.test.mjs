import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('who is on hold is not heard until taken back', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('01'));
  const line = await network.company.called();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);

  await ada.click('toggle-hold');
  await line.until('hold', ({ held }) => held);
  await ada.seeText('hold-state', 'On hold');
  await line.hearsNothing();
  await ada.shot('phone-hold');

  await ada.click('toggle-hold');
  await line.until('hold', ({ held }) => !held);
  await ada.gone('hold-state');
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.click('hang-up');
  await line.ended();
  await network.records(1);
});
