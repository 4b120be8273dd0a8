import { story } from './harness/story.mjs';

story('a call that is taken back stops ringing and is a missed call', {}, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob');
  await ada.call(bob.number);
  await bob.see('incoming');
  await ada.click('cancel');
  await bob.gone('incoming');
  await bob.seeText('ended-title', 'Missed call from Ada');
  await ada.seeText('history-entry', 'Cancelled');
  await bob.seeText('history-entry', 'Missed');
});
