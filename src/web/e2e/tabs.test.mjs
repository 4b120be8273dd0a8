import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('two tabs are one device: the newer one takes over, but not a call', {}, async (stage) => {
  const ada = await stage.signUp('+12025550101', 'Ada');
  const bob = await stage.signUp('+12025550102', 'Bob');
  const first = bob.page;
  const second = await bob.context.newPage();
  bob.watch(second);
  await second.goto(bob.url);
  await second.getByTestId('home').waitFor();
  await first.getByTestId('elsewhere').waitFor();

  await ada.call(bob.number);
  await second.getByTestId('accept-video').click();
  bob.page = second;
  await Promise.all([ada.joined(), bob.joined()]);

  // A third tab does not pull the call away by being opened, only when asked to.
  const third = await bob.context.newPage();
  bob.watch(third);
  await third.goto(bob.url);
  await third.getByTestId('elsewhere').waitFor();
  assert.equal(await second.getByTestId('in-call').count(), 1);
  await bob.hears();
  await third.getByTestId('take-over').click();
  await second.getByTestId('elsewhere').waitFor();
  bob.page = third;
  await bob.joined();
  await Promise.all([ada.hearsAndSees(), bob.hearsAndSees()]);
});
