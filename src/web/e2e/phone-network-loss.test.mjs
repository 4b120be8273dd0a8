import assert from 'node:assert/strict';
import { far, phoneStory } from './harness/phone-story.mjs';

phoneStory('a phone call survives a tunnel', {}, async (stage, network) => {
  const gate = await stage.gate();
  const ada = await stage.signUp('+12025550101', 'Ada', { url: gate.url });
  await ada.callPhone(far('01'));
  const line = await network.company.called();
  await ada.joined();
  await Promise.all([ada.hearsTone(440), line.hears()]);
  gate.shut();
  await ada.page.locator('[data-testid=signal-away], [data-testid=reconnecting]').first().waitFor();
  gate.reopen();
  await ada.gone('signal-away');
  await ada.gone('reconnecting');
  await Promise.all([ada.hearsTone(440), line.hears()]);
  await ada.click('hang-up');
  await line.ended();
  assert.equal((await network.records(1))[0].cause, 'hung_up');
});

const short = { calls: 'reconnect_ms = 2000', more: '[rooms]\nresume_ms = 1000' };

phoneStory('a tunnel that is too long ends the call', short, async (stage, network) => {
  const gate = await stage.gate();
  const ada = await stage.signUp('+12025550101', 'Ada', { url: gate.url });
  await ada.callPhone(far('01'));
  const line = await network.company.called();
  await ada.joined();
  await line.hears();
  gate.shut();
  await line.until('bye');
  const [record] = await network.records(1);
  assert.equal(record.sell_billed_s, Math.ceil(record.talked_ms / 1000));
  gate.reopen();
  assert.equal(await ada.endedCause(), 'CALL_CAUSE_CONNECTION_LOST');
  await ada.seeText('ended-title', 'The connection was lost');
});

phoneStory('who does not come back is not charged for ever', short, async (stage, network) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  await ada.callPhone(far('01'));
  const line = await network.company.called();
  await ada.joined();
  await line.hears();
  await ada.page.goto('about:blank');
  await line.until('bye');
  const [record] = await network.records(1);
  // To the phone network somebody hung up; what was talked until then is charged, and no more.
  assert.deepEqual([record.cause, record.proof], ['hung_up', 'hang_up']);
  assert.equal(record.sell_billed_s, Math.ceil(record.talked_ms / 1000));
  const { reserved_micros: kept } = await network.account(ada.number);
  assert.equal(kept, 0);

  await ada.page.goto(stage.server.url);
  await ada.online();
  await ada.seeText('history-entry', 'Connection lost');
});
