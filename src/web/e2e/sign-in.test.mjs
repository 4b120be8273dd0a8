import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('wrong numbers and codes are explained, the right ones work', {}, async (stage) => {
  const ada = await stage.arrive();
  await ada.click('send-code');
  await ada.seeText('number-error', 'phone number');
  await ada.at('country').selectOption('US');
  await ada.at('number').fill('2025550101');
  await ada.click('send-code');
  await ada.seeText('code-number', '+1 202 555 0101');
  await ada.see('resend-countdown');
  await ada.at('code').fill('000000');
  await ada.click('verify');
  await ada.seeText('code-error', 'not right');
  await ada.at('code').fill('123456');
  await ada.click('verify');
  await ada.at('display-name').fill('Ada');
  await ada.click('save-name');
  await ada.seeText('me-name', 'Ada');

  // A number that nobody has.
  await ada.call('+12025550199');
  await ada.seeText('ended-title', 'be reached');
  await ada.at('dial-number').fill('1');
  await ada.click('call-audio');
  await ada.seeText('dial-error', 'Type the number');
  await ada.at('dial-number').fill('112');
  await ada.click('call-audio');
  await ada.seeText('dial-error', 'are phone calls');
});

story('devices are listed and can be signed out from afar', {}, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const tablet = await stage.arrive();
  await tablet.signIn(ada.number);
  await tablet.seeText('me-name', 'Ada');
  await tablet.online();

  await ada.click('open-settings');
  await ada.at('device').nth(1).waitFor();
  await ada.click('revoke');
  await ada.click('revoke-sure');
  await tablet.see('sign-in');
  await ada.at('device').nth(1).waitFor({ state: 'detached' });
  assert.equal(await ada.at('device').count(), 1);

  await ada.at('settings-name').fill('Countess Ada');
  await ada.click('settings-save-name');
  await ada.seeText('settings-saved', 'Saved');
  await ada.click('sign-out');
  await ada.see('sign-in');
  await ada.page.reload();
  await ada.see('sign-in');
});
