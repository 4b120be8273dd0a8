// A narrow or lossy link in front of one browser: every connection of its pages goes through
// `offhook-loadtest link`, whatever is at the other end. Signaling does not.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { built } from './binaries.mjs';

export class LinkedWay {
  /** `conditions` are options of `offhook-loadtest link`, such as `['--rate', '300k']`. */
  constructor(conditions) {
    this.conditions = conditions;
    this.links = new Map();
  }

  /** For `Person.arrive`: its pages know the way before any other code runs in them. */
  get prepare() {
    return async (context) => {
      await context.exposeBinding('linkTo', (_, port) => this.to(port));
      await context.addInitScript(throughLinks);
    };
  }

  /** The port of the link to a port of 127.0.0.1. */
  to(port) {
    if (!this.links.has(port)) this.links.set(port, Link.open(port, this.conditions));
    return this.links.get(port).then((link) => link.port);
  }

  /** Other conditions from now on, for connections that stand too. */
  async change(conditions) {
    this.conditions = conditions;
    const links = await Promise.all(this.links.values());
    for (const link of links) link.change(conditions);
  }

  async remove() {
    const links = await Promise.all(this.links.values());
    this.links.clear();
    await Promise.all(links.map((link) => link.close()));
  }
}

class Link {
  static async open(port, conditions) {
    const link = new Link();
    const args = ['link', '--listen', '127.0.0.1:0', '--to', `127.0.0.1:${port}`, ...conditions];
    const binary = built('offhook-loadtest', 'OFFHOOK_LOADTEST_BIN');
    link.child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    link.ended = new Promise((resolve) => link.child.once('exit', resolve));
    const lines = createInterface({ input: link.child.stdout });
    link.port = await new Promise((resolve, reject) => {
      lines.once('line', (line) => resolve(Number(line.match(/:(\d+)$/)[1])));
      void link.ended.then((code) => reject(new Error(`the link ended with ${code}`)));
    });
    return link;
  }

  change(conditions) {
    this.child.stdin.write(`${conditions.join(' ')}\n`);
  }

  async close() {
    this.child.kill('SIGTERM');
    await this.ended;
  }
}

/** Runs in the page: the other end's candidates are changed to the links that lead to them. */
function throughLinks() {
  // foundation, component, transport, priority, address, port, and the rest.
  const parts = /^((?:a=)?candidate:\S+ \d+ udp \d+ 127\.0\.0\.1) (\d+) (.*)$/i;
  const linked = async (candidate) => {
    const [, head, port, rest] = parts.exec(candidate) ?? [];
    return head && `${head} ${await window.linkTo(Number(port))} ${rest}`;
  };
  const Before = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Before {
    async setRemoteDescription({ type, sdp }) {
      const lines = await Promise.all(
        sdp.split('\r\n').map((line) => (line.startsWith('a=candidate') ? linked(line) : line)),
      );
      const kept = lines.filter((line) => line !== undefined);
      return super.setRemoteDescription({ type, sdp: kept.join('\r\n') });
    }

    async addIceCandidate(init) {
      if (!init?.candidate) return super.addIceCandidate(init);
      const { sdpMid, sdpMLineIndex } = init;
      const candidate = await linked(init.candidate);
      if (candidate) return super.addIceCandidate({ candidate, sdpMid, sdpMLineIndex });
    }
  };
}
