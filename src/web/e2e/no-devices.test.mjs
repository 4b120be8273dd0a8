import { story } from './harness/story.mjs';

story('without camera and microphone one still listens and looks', {}, async (stage) => {
  const bob = { devices: false, autoplay: false };
  const call = await stage.twoInCall({ bob });
  await call.bob.see('device-problem');
  await call.bob.hearsAndSees();
  await call.ada.see('peer-muted');

  // Nothing is captured and nobody has tapped since the reload: the browser holds sound back.
  await call.bob.page.reload();
  await call.bob.joined();
  await call.bob.see('tap-to-hear');
  await call.bob.click('tap-to-hear');
  await call.bob.gone('tap-to-hear');
  await call.bob.hears();
});
