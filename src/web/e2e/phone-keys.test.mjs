import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('keys arrive at the carrier, each once and in order', {}, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('07'));
  const line = await network.company.called();
  await line.answered();
  await ada.joined();
  await ada.click('open-keys');
  for (const key of '1590') {
    await ada.click(`key-${key}`);
    const { digit } = await line.until('digit');
    assert.equal(digit, key);
  }
  // Faster than they can be sent, and from the keyboard.
  await ada.page.keyboard.type('2*2#');
  for (const key of '2*2#') {
    const { digit } = await line.until('digit');
    assert.equal(digit, key);
  }
  await ada.seeText('pressed', '15902*2#');
  await ada.shot('phone-keys');
  // The carrier beeps as often as each digit says.
  await ada.hearsTone(1000);
  await ada.page.keyboard.press('Escape');
  await ada.click('hang-up');
  const { digits } = await line.ended();
  assert.equal(digits, '15902*2#');
  await network.records(1);
});
