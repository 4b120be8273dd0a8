// One story about the phone network: a stage with a gateway, and the carriers behind it.

import { Network, phoneSettings } from './network.mjs';
import { story } from './story.mjs';

export { far, MICROS_PER_SECOND, OURS } from './network.mjs';

/** `options` are those of phoneSettings, and `trunks` as Network.open has them. */
export function phoneStory(name, options, tell) {
  story(name, { extra: phoneSettings(options) }, async (stage) => {
    const network = new Network(stage.server);
    try {
      await network.open(options.trunks);
      await tell(stage, network);
      await network.prove();
    } catch (error) {
      network.report();
      throw error;
    } finally {
      await network.close();
    }
  });
}
