// The phone network of one server: carriers behind trunks, prices, and what the books say
// afterwards. Set up as an operator does it, with commands.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Company } from './company.mjs';
import { DEADLINE_MS } from './person.mjs';

/** A number of ours that is shown, and leads to somebody where a story says so. */
export const OURS = '+12125550100';

/** A number of the demo carrier; the last two digits say what it does. */
export const far = (digits) => `+121255501${digits}`;

/** What a second of talk costs: whole seconds make whole cents. */
export const MICROS_PER_SECOND = 10_000;

const SELL = [
  'prefix,destination,per_minute,connection_fee,first_increment_s,next_increment_s,tier',
  '1,United States,0.60,0,1,1,',
  '1900,"United States, premium",1.50,0,60,60,premium',
];
const BUY = [
  'prefix,destination,per_minute,connection_fee,first_increment_s,next_increment_s,tier',
  '1,United States,0.30,0,1,1,',
  '1900,"United States, premium",0.90,0,60,60,premium',
];

/** `credit` is what each account begins with; `money` and `calls` are settings of these tables. */
export function phoneSettings({ credit = '5.00', money = '', calls = '', more = '' } = {}) {
  return [
    '[phone]\nenabled = true',
    '[phone.sip]\nudp = ["127.0.0.1:0"]\ntcp = ["127.0.0.1:0"]\ntls = []',
    '[phone.media]\nbind = "127.0.0.1"\nworkers = 1',
    `[phone.money]\ninitial_credit = "${credit}"\n${money}`,
    `[calls]\n${calls}`,
    more,
  ].join('\n');
}

export class Network {
  companies = {};

  constructor(server) {
    this.server = server;
  }

  /** `trunks` has their settings by name; each leads to a carrier of its own. */
  async open(trunks = { main: {} }) {
    const sip = await this.sipAddress();
    await this.deck('sell', SELL);
    await this.deck('buy', BUY);
    await this.online('plan', 'put', 'default', '--deck', 'sell');
    for (const [name, settings] of Object.entries(trunks)) {
      const company = await Company.start(sip);
      this.companies[name] = company;
      const all = { proxy: `sip:${company.address}`, caller_id: `verified or ${OURS}` };
      const pairs = Object.entries({ ...all, emergency: true, ...settings });
      const set = pairs.flatMap(([key, value]) => ['--set', `${key}=${value}`]);
      await this.online('trunk', 'put', name, '--deck', 'buy', ...set);
    }
    this.company = Object.values(this.companies)[0];
  }

  /** The server says it when it starts. */
  async sipAddress() {
    const said = (await this.server.log()).match(/SIP is spoken.*udp.*?(127\.0\.0\.1:\d+)/);
    assert.ok(said, 'the server did not say where it speaks SIP');
    return said[1];
  }

  async deck(name, rows) {
    const file = path.join(this.server.folder, `${name}.csv`);
    await writeFile(file, `${rows.join('\n')}\n`);
    await this.online('deck', 'import', name, file, '--currency', 'USD');
  }

  /** A command to the running server. */
  online(...args) {
    return this.server.command([...args, '--admin', `http://127.0.0.1:${this.server.admin}`]);
  }

  async account(number) {
    return JSON.parse(await this.online('account', 'show', number, '--json'));
  }

  /** So many closed records, oldest first; a record is visible a moment after the end. */
  async records(many) {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const text = await this.server.command(['cdr', 'export', '--format', 'jsonl']);
      const records = text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
      if (records.length >= many) return records;
      assert.ok(Date.now() < deadline, `${records.length} of ${many} records are closed`);
    }
  }

  /** No story leaves an open record, books that differ from the records, or an alarm in the log. */
  async prove() {
    const proof = JSON.parse(await this.server.command(['ledger', 'check', '--json']));
    assert.deepEqual([proof.equal, proof.open], [true, 0]);
    const lines = (await this.server.log()).split('\n');
    assert.deepEqual(lines.filter((line) => / (WARN|ERROR) /.test(line)), []);
  }

  report() {
    for (const [name, { events }] of Object.entries(this.companies)) {
      const lines = events.slice(-40).map((event) => JSON.stringify(event));
      console.error(`---- carrier of ${name} ----\n${lines.join('\n')}`);
    }
  }

  async close() {
    await Promise.all(Object.values(this.companies).map((company) => company.stop()));
  }
}
