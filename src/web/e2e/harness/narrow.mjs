// A narrow way for media from the server to one page: a UDP forwarder with a rate and a queue, put between
// them by what the page believes to be the server's address.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What waits longer than this is dropped. */
const QUEUE_MS = 300;

export class NarrowWay {
  sockets = [];
  timers = new Set();
  free = 0;

  constructor(kilobits) {
    this.kilobits = kilobits;
  }

  /** From now on everything that `person`'s page is told to send to the server's UDP port comes by here. */
  async lead(person) {
    await person.page.exposeFunction('detour', (port) => this.open(port));
    await person.page.evaluate(() => {
      const prototype = RTCPeerConnection.prototype;
      const original = prototype.setRemoteDescription;
      const candidate = /^(a=candidate:\S+ 1 udp \S+ 127\.0\.0\.1 )(\d+)( typ host.*)$/gim;
      prototype.setRemoteDescription = async function (description) {
        let { type, sdp } = description;
        for (const port of new Set([...sdp.matchAll(candidate)].map((found) => found[2]))) {
          window.detours ??= {};
          window.detours[port] ??= await detour(Number(port));
          const turn = (line, before, at, after) =>
            at === port ? `${before}${window.detours[port]}${after}` : line;
          sdp = sdp.replaceAll(candidate, turn);
        }
        return original.call(this, { type, sdp });
      };
    });
  }

  /** A port that leads to one of the server's. */
  async open(port) {
    const near = await this.socket();
    const fars = new Map();
    near.on('message', async (bytes, from) => {
      const name = `${from.address}:${from.port}`;
      if (!fars.has(name)) fars.set(name, this.far(near, from));
      const far = await fars.get(name);
      far.send(bytes, port, '127.0.0.1');
    });
    return near.address().port;
  }

  async far(near, client) {
    const far = await this.socket();
    far.on('message', (bytes) => this.queue(bytes, () => near.send(bytes, client.port, client.address)));
    return far;
  }

  queue(bytes, send) {
    const now = performance.now();
    const leaves = Math.max(now, this.free) + (bytes.length * 8) / this.kilobits;
    if (leaves - now > QUEUE_MS) return;
    this.free = leaves;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      send();
    }, leaves - now);
    this.timers.add(timer);
  }

  async socket() {
    const socket = createSocket('udp4');
    this.sockets.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  }

  close() {
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.sockets) socket.close();
  }
}
