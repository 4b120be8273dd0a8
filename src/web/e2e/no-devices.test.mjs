import { story } from './harness/story.mjs';

story('without camera and microphone one still listens and looks', {}, async (stage) => {
  const call = await stage.twoInCall({ bob: { devices: false } });
  await call.bob.see('device-problem');
  await call.bob.hearsAndSees();
  await call.ada.see('peer-muted');

  // A page that captures nothing and that nobody has tapped may not play sound.
  await call.bob.context.addInitScript(holdBackSound);
  await call.bob.page.reload();
  await call.bob.joined();
  await call.bob.see('tap-to-hear');
  await call.bob.click('tap-to-hear');
  await call.bob.gone('tap-to-hear');
  await call.bob.hears();
});

/**
 * What Chromium does on a page without a tap. It is acted here, since every look that the test
 * driver takes at a page counts as a tap.
 */
function holdBackSound() {
  const play = HTMLMediaElement.prototype.play;
  let tapped = false;
  addEventListener('click', (event) => (tapped ||= event.isTrusted), { capture: true });
  HTMLMediaElement.prototype.play = function () {
    const refused = new DOMException('play() needs a user gesture', 'NotAllowedError');
    return tapped || this.muted ? play.call(this) : Promise.reject(refused);
  };
}
