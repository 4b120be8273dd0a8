import assert from 'node:assert/strict';
import { story } from './harness/story.mjs';

story('media is protected with AES-GCM', {}, async (stage) => {
  const { ada, bob } = await stage.twoInCall();
  for (const person of [ada, bob]) {
    await person.hears();
    const transports = (await person.stats()).filter((report) => report.type === 'transport');
    assert.ok(transports.length > 0, 'a transport');
    for (const transport of transports) {
      assert.match(transport.srtpCipher, /^(SRTP_)?AEAD_AES_(128|256)_GCM$/);
      assert.equal(transport.dtlsState, 'connected');
    }
  }
});
