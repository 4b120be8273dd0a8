import { story } from './harness/story.mjs';

story('a page that is reloaded in a call comes back into it', {}, async (stage) => {
  const { ada, bob } = await stage.twoInCall();
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
  await bob.page.reload();
  await bob.joined();
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);

  // What was switched off stays off.
  await bob.click('toggle-camera');
  await ada.see('peer-camera-off');
  await bob.page.reload();
  await bob.joined();
  await bob.hearsAndSees();
  await ada.see('peer-camera-off');
  await ada.hears();

  await ada.click('hang-up');
  await bob.seeText('ended-title', 'Ada ended the call');
});
