// The real server for one story: a configuration of its own in a temporary folder, ports from the
// system, its log kept for when the story fails, ended by its process id.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { openSync, closeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { built } from './binaries.mjs';

/** The one-time code of every number on a test server. */
export const CODE = '123456';

const START_DEADLINE_MS = 30_000;
const LOOPBACK = 'udp_port = 0\ntcp_ports = [0]\nadvertise = ["127.0.0.1"]';

const binary = () => built('offhook', 'OFFHOOK_BIN');

export class Server {
  /** `extra` is TOML: tables that this configuration lacks. `accounts` adds to [accounts], `media` to [media].
   *  `paths` says where packets go. */
  static async start({ extra = '', accounts = '', media = '', paths = LOOPBACK } = {}) {
    const server = new Server();
    server.folder = await mkdtemp(path.join(tmpdir(), 'offhook-e2e-'));
    server.config = path.join(server.folder, 'offhook.toml');
    const config = [
      '[http]\nlisten = "127.0.0.1:0"',
      '[admin]\nlisten = "127.0.0.1:0"',
      `[media]\n${paths}\nworkers = 1\npin = false`,
      media,
      `[store]\npath = "${server.folder}/offhook.db"`,
      '[api_keys]\ntestkey = "a-secret-that-only-the-tests-know-0001"',
      `[accounts]\ncode_delivery = "log"\nfixed_code = "${CODE}"`,
      'codes_per_number_per_hour = 1000\ncodes_per_address_per_hour = 1000',
      accounts,
      extra,
    ];
    await writeFile(server.config, config.join('\n') + '\n');
    const log = openSync(path.join(server.folder, 'server.log'), 'a');
    server.child = spawn(binary(), ['serve', '--config', server.config], {
      stdio: ['ignore', 'pipe', log],
      env: { ...process.env, RUST_LOG: 'info,offhook_signaling=debug,offhook_media=debug' },
    });
    closeSync(log);
    server.ended = new Promise((resolve) => server.child.once('exit', resolve));
    try {
      await server.becomeReady();
    } catch (error) {
      console.error(await server.log());
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Prints its public and then its admin address once calls can be placed. */
  async becomeReady() {
    const ports = [];
    const lines = createInterface({ input: this.child.stdout });
    let timer;
    const told = new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the server did not start')), START_DEADLINE_MS);
      lines.on('line', (line) => {
        const port = Number(line.trim().match(/:(\d+)$/)?.[1]);
        if (port) ports.push(port);
        if (ports.length === 2) resolve();
      });
      void this.ended.then((code) => reject(new Error(`the server ended with ${code}`)));
    });
    await told.finally(() => clearTimeout(timer));
    [this.port, this.admin] = ports;
    const ready = await fetch(`http://127.0.0.1:${this.admin}/readyz`);
    if (!ready.ok) throw new Error(`/readyz answered ${ready.status}`);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async token(room, identity) {
    const args = ['token', 'create', '--room', room, '--identity', identity];
    return (await this.command(args)).trim();
  }

  /** What a command of the program says; it must succeed. */
  async command(args) {
    const { stdout } = await promisify(execFile)(binary(), [...args, '--config', this.config]);
    return stdout;
  }

  async log() {
    return readFile(path.join(this.folder, 'server.log'), 'utf8').catch(() => '');
  }

  async stop() {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await this.ended;
    clearTimeout(timer);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A door in front of the server that can be shut, as when somebody drives into a tunnel. */
export class Gate {
  static async before(server) {
    const gate = new Gate();
    gate.open = true;
    gate.pairs = new Set();
    gate.listener = createServer((near) => gate.pass(near, server.port));
    await new Promise((resolve) => gate.listener.listen(0, '127.0.0.1', resolve));
    gate.url = `http://127.0.0.1:${gate.listener.address().port}`;
    return gate;
  }

  pass(near, port) {
    near.on('error', () => near.destroy());
    if (!this.open) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    const pair = [near, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const side of pair) side.on('close', end).on('error', end);
    near.pipe(far).pipe(near);
  }

  shut() {
    this.open = false;
    for (const pair of [...this.pairs]) for (const side of pair) side.destroy();
  }

  reopen() {
    this.open = true;
  }

  async remove() {
    this.shut();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}
