import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('all devices ring; one answers and the others stop', {}, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob');
  const tablet = await stage.arrive();
  await tablet.signIn(bob.number);
  await tablet.online();

  await ada.call(bob.number, { video: false });
  await Promise.all([bob.see('incoming'), tablet.see('incoming')]);
  await tablet.click('accept-audio');
  await bob.gone('incoming');
  await bob.seeText('ended-title', 'Answered on another device');
  assert.equal(await bob.at('in-call').count(), 0);
  await Promise.all([ada.joined(), tablet.joined()]);
  await Promise.all([ada.hears(), tablet.hears()]);
  await ada.click('hang-up');
  await tablet.seeText('ended-title', 'ended the call');

  // And declined on one, the other stops too.
  await ada.call(bob.number);
  await Promise.all([bob.see('incoming'), tablet.see('incoming')]);
  await bob.click('decline');
  await tablet.seeText('ended-title', 'Declined on another device');
  await ada.seeText('ended-title', 'declined the call');
});
