import { story } from './harness/story.mjs';

const options = { extra: '[calls]\nno_answer_ms = 3000\n' };

story('a call that nobody answers ends by itself', options, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob');
  await ada.call(bob.number);
  await bob.see('incoming');
  await ada.seeText('outgoing-state', 'Ringing');
  await ada.seeText('ended-title', 'answer');
  await bob.seeText('ended-title', 'Missed call from Ada');
  await ada.seeText('history-entry', 'No answer');
  await bob.seeText('history-entry', 'Missed');
});
