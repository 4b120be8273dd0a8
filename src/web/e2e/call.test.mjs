import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('two people call with video, hear and see each other, and hang up', {}, async (stage) => {
  const [ada, bob] = await Promise.all([
    stage.signUp('+12025550101', 'Ada'),
    stage.signUp('+12025550102', 'Bob'),
  ]);

  await ada.call(bob.number);
  await bob.seeText('incoming-name', 'Ada');
  await ada.seeText('outgoing-state', 'Ringing');
  await bob.click('accept-video');
  await Promise.all([ada.joined(), bob.joined()]);
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  await Promise.all([ada.see('elapsed'), bob.see('elapsed')]);

  await ada.click('toggle-mic');
  await bob.see('peer-muted');
  await ada.click('toggle-mic');
  await bob.gone('peer-muted');
  await bob.hears();
  await ada.click('toggle-camera');
  await bob.see('peer-camera-off');
  await ada.click('toggle-camera');
  await bob.seesMotion();

  await bob.click('hang-up');
  await ada.seeText('ended-title', 'ended the call');
  await checkHistory(ada, bob, 1);

  // The other way round: Bob calls back from his history, and he who called hangs up.
  await bob.click('video-back');
  await ada.click('accept-video');
  await Promise.all([ada.joined(), bob.joined()]);
  await Promise.all([ada.hears(), bob.hears()]);
  await bob.click('hang-up');
  await ada.seeText('ended-title', 'ended the call');
  await checkHistory(bob, ada, 2);
});

async function checkHistory(caller, callee, count) {
  const newest = { caller: caller.at('history-entry'), callee: callee.at('history-entry') };
  for (const [side, direction] of [
    ['caller', 'outgoing'],
    ['callee', 'incoming'],
  ]) {
    await newest[side].nth(count - 1).waitFor();
    const entry = newest[side].first();
    assert.equal(await entry.getAttribute('data-direction'), direction);
    assert.equal(await entry.getAttribute('data-cause'), 'CALL_CAUSE_HUNG_UP');
    assert.equal(await entry.getAttribute('data-accepted'), 'true');
  }
}
