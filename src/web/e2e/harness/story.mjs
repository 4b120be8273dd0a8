// One story: a server, the people in it, and everything that helps when it goes wrong.

import test from 'node:test';
import { Person } from './person.mjs';
import { Gate, Server } from './server.mjs';

/** `tell` gets a stage with `server`, `arrive(options)` and `signUp(number, name, options)`. */
export function story(name, options, tell) {
  test(name, async () => {
    const stage = new Stage(await Server.start(options));
    try {
      await tell(stage);
    } catch (error) {
      await stage.report(name);
      throw error;
    } finally {
      await stage.clear();
    }
  });
}

class Stage {
  people = [];
  gates = [];

  constructor(server) {
    this.server = server;
  }

  async arrive(options = {}) {
    const person = await Person.arrive(options.url ?? this.server.url, options);
    this.people.push(person);
    return person;
  }

  async signUp(number, name, options) {
    return (await this.arrive(options)).signUp(number, name);
  }

  /** Two people in a call with video, both sides joined. */
  async twoInCall(options = {}) {
    const [ada, bob] = await Promise.all([
      this.signUp('+12025550101', 'Ada', options.ada),
      this.signUp('+12025550102', 'Bob', options.bob),
    ]);
    await ada.call(bob.number);
    await bob.click('accept-video');
    await Promise.all([ada.joined(), bob.joined()]);
    return { ada, bob };
  }

  async gate() {
    const gate = await Gate.before(this.server);
    this.gates.push(gate);
    return gate;
  }

  async report(name) {
    console.error(`---- ${name}: server log ----\n${await this.server.log()}`);
    for (const [i, person] of this.people.entries()) {
      const who = person.name ?? `person ${i + 1}`;
      const text = await person.page.innerText('body').catch(() => 'no page');
      const said = person.console.slice(-40).map((line) => line.slice(0, 300));
      console.error(`---- ${who} sees ----\n${text}`);
      console.error(`---- ${who}'s console ----\n${said.join('\n')}`);
      const folder = process.env.OFFHOOK_E2E_SHOTS;
      if (folder) await person.page.screenshot({ path: `${folder}/${who}.png` }).catch(() => {});
    }
  }

  async clear() {
    await Promise.all(this.people.map((person) => person.leave()));
    await Promise.all(this.gates.map((gate) => gate.remove()));
    await this.server.stop();
  }
}
