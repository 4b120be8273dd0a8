// The demo carrier of docs/TESTING.md for one story: a telephone company that takes calls and
// places them, tells what happens in lines of JSON, and is ended by its process id.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { built } from './binaries.mjs';
import { DEADLINE_MS } from './person.mjs';

export class Company {
  /** `via` is where its own calls go. */
  static async start(via) {
    const company = new Company();
    company.events = [];
    company.waiting = new Set();
    const args = ['carrier', '--listen', '127.0.0.1:0', '--via', via];
    const binary = built('offhook-loadtest', 'OFFHOOK_LOADTEST_BIN');
    company.child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    company.ended = new Promise((resolve) => company.child.once('exit', resolve));
    const lines = createInterface({ input: company.child.stdout });
    lines.on('line', (line) => company.hear(JSON.parse(line)));
    const { address } = await company.next(0, 'listening', () => true);
    company.address = address;
    company.calls = 0;
    return company;
  }

  hear(event) {
    this.events.push({ ...event, at: Date.now() });
    for (const look of [...this.waiting]) look();
  }

  /** The first event from that place on of which `fits` is true, waited for. */
  async next(from, what, fits) {
    let timer;
    let look;
    const found = new Promise((resolve, reject) => {
      look = () => {
        const at = this.events.findIndex((event, i) => i >= from && fits(event));
        if (at >= 0) resolve({ ...this.events[at], place: at });
      };
      timer = setTimeout(() => {
        const last = this.events.slice(-10).map((event) => JSON.stringify(event));
        reject(new Error(`the carrier never said: ${what}. Its last words:\n${last.join('\n')}`));
      }, DEADLINE_MS);
    });
    this.waiting.add(look);
    look();
    return found.finally(() => {
      clearTimeout(timer);
      this.waiting.delete(look);
    });
  }

  /** The next call that comes to it. */
  async called() {
    return this.line('invite');
  }

  /** It calls somebody. */
  async call(from, to) {
    this.tell(`call ${from} ${to}`);
    return this.line('calling');
  }

  async line(kind) {
    const event = await this.next(this.calls, kind, (one) => one.event === kind);
    this.calls = event.place + 1;
    return new Line(this, event);
  }

  tell(line) {
    this.child.stdin.write(`${line}\n`);
  }

  async stop() {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await this.ended;
    clearTimeout(timer);
  }
}

/** One call of the carrier. What is waited for comes after what was waited for before. */
class Line {
  constructor(company, { id, from, to, place }) {
    Object.assign(this, { company, id, from, to, place });
  }

  async until(kind, fits = () => true) {
    const mine = (event) => event.id === this.id && event.event === kind && fits(event);
    const event = await this.company.next(this.place + 1, `${kind} of call ${this.id}`, mine);
    this.place = event.place;
    return event;
  }

  /** Everything of that kind so far. */
  all(kind) {
    return this.company.events.filter((one) => one.id === this.id && one.event === kind);
  }

  answered() {
    return this.until('answered');
  }

  /** Sound with energy has come for a whole second: the browser's microphone. */
  hears() {
    return this.until('heard', ({ db }) => db !== null && db > -40);
  }

  /** A whole second without sound. */
  hearsNothing() {
    return this.until('heard', ({ db }) => db === null || db < -60);
  }

  hangUp() {
    this.company.tell(`hangup ${this.id}`);
  }

  ended() {
    return this.until('ended');
  }
}
