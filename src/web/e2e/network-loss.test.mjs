import { story } from './harness/story.mjs';

story('a call is answered although the connection breaks while it rings', {}, async (stage) => {
  const [gateA, gateB] = [await stage.gate(), await stage.gate()];
  const ada = await stage.signUp('+12025550101', 'Ada', { url: gateA.url });
  const bob = await stage.signUp('+12025550102', 'Bob', { url: gateB.url });

  await ada.call(bob.number);
  await bob.see('incoming');
  await ada.seeText('outgoing-state', 'Ringing');
  gateA.shut();
  gateB.shut();
  await ada.see('offline');
  // Answered in the tunnel: the request waits for the way out.
  await bob.click('accept-video');
  gateA.reopen();
  gateB.reopen();
  await Promise.all([ada.joined(), bob.joined()]);
  await Promise.all([ada.hears(), bob.hears()]);
  await ada.click('hang-up');
  await bob.seeText('ended-title', 'Ada ended the call');
});

story('what happened while away is told afterwards', {}, async (stage) => {
  const gate = await stage.gate();
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob', { url: gate.url });
  await ada.call(bob.number);
  await bob.see('incoming');
  gate.shut();
  await ada.click('cancel');
  await ada.see('home');
  gate.reopen();
  await bob.gone('incoming');
  await bob.seeText('ended-title', 'Missed call from Ada');
});

story('media goes on while signaling is away', {}, async (stage) => {
  const gate = await stage.gate();
  const { ada, bob } = await stage.twoInCall({ bob: { url: gate.url } });
  await Promise.all([ada.hears(), bob.hears()]);
  gate.shut();
  await bob.page.locator('[data-testid=signal-away], [data-testid=reconnecting]').first().waitFor();
  gate.reopen();
  await bob.gone('signal-away');
  await bob.gone('reconnecting');
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
});
