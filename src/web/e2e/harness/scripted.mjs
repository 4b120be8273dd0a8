// The built app with a script in place of the server, for screens of phone calls: what a carrier
// does is said when the picture wants it. Media is a stand-in too, so nothing is heard, unless the
// app and its media come from a real server.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Person } from './person.mjs';

const dist = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../dist');

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

export class Scripted {
  /** `answers` maps the name of a request to the reply for its fields; the rest are just done. */
  static async start(answers, { realUrl } = {}) {
    const scripted = new Scripted();
    scripted.answers = answers;
    scripted.asked = [];
    scripted.url = realUrl;
    if (realUrl) return scripted;
    scripted.listener = createServer((request, response) => void serve(request, response));
    await new Promise((resolve) => scripted.listener.listen(0, '127.0.0.1', resolve));
    scripted.url = `http://127.0.0.1:${scripted.listener.address().port}`;
    return scripted;
  }

  /** Somebody who is signed in. */
  async arrive(user, context = {}) {
    const tokens = { accessToken: 'a', refreshToken: 'r', accessExpiresAt: 4e12, user, device: {} };
    const localStorage = [{ name: 'offhook.tokens', value: JSON.stringify(tokens) }];
    const storageState = { cookies: [], origins: [{ origin: this.url, localStorage }] };
    const prepare = async (browsing) => {
      await browsing.routeWebSocket('**/v1/connect', (socket) => this.connect(socket, user));
      await browsing.route('**/v1/devices/list', (route) => route.fulfill({ json: DEVICES }));
      if (!this.listener) return;
      await browsing.route(/assets\/media-[^/]*\.js/, async (route) => {
        const real = await (await route.fetch()).text();
        const entry = /export\{\w+ as CallRoom/.test(real);
        await route.fulfill({ contentType: TYPES['.js'], body: entry ? STAND_IN : real });
      });
    };
    return Person.arrive(this.url, { context: { ...context, storageState }, prepare });
  }

  connect(socket, user) {
    this.socket = socket;
    this.seq = 0;
    socket.onMessage((text) => {
      const { requestId, ...message } = JSON.parse(text);
      const [kind, fields] = Object.entries(message)[0];
      this.asked.push({ kind, fields });
      this.wake?.();
      const say = (reply) => socket.send(JSON.stringify({ replyTo: requestId, ...reply }));
      if (kind === 'connect') say({ connected: { sessionId: 's', pingIntervalMs: 60_000, user } });
      else if (kind === 'ping') say({ pong: {} });
      else if (kind !== 'ack') say(this.answers[kind]?.(fields) ?? { done: {} });
    });
  }

  /** Waits for a request of that kind and takes it off the list: its fields. */
  async heard(kind) {
    for (;;) {
      const at = this.asked.findIndex((one) => one.kind === kind);
      if (at >= 0) return this.asked.splice(at, 1)[0].fields;
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  /** An event, such as `{ ringing: { callId } }`. */
  say(event) {
    this.seq += 1;
    this.socket.send(JSON.stringify({ seq: String(this.seq), ...event }));
  }

  async stop() {
    if (!this.listener) return;
    this.listener.closeAllConnections();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}

async function serve(request, response) {
  const name = request.url === '/' ? '/index.html' : new URL(request.url, 'http://x').pathname;
  try {
    const body = await readFile(path.join(dist, path.normalize(name)));
    response.writeHead(200, { 'content-type': TYPES[path.extname(name)] ?? 'text/plain' });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

const DEVICES = { devices: [{ id: 'd', name: 'Chrome on Linux', current: true, createdAt: '1' }] };

/** The exports of src/media/index.ts: a room that everybody is in at once. */
const STAND_IN = `
export class LocalMedia {
  ready = Promise.resolve();
  close() {}
}
export class CallRoom {
  constructor() {
    globalThis.roomsJoined = (globalThis.roomsJoined ?? 0) + 1;
    const quiet = { microphone: true, speaking: false, quality: 'good' };
    const own = { ...quiet, camera: false, screen: false };
    const listeners = new Set();
    this.view = {
      value: { link: 'live', peer: { ...quiet, audio: [] }, own, audioBlocked: false },
      subscribe: (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    };
    globalThis.room = this;
    this.tell = () => listeners.forEach((listener) => listener(this.view.value));
  }
  hear() {
    this.view.value = { ...this.view.value, heard: true };
    this.tell();
  }
  renew() {}
  async leave() {}
  async setMicrophone(on) {
    const { value } = this.view;
    this.view.value = { ...value, own: { ...value.own, microphone: on } };
    this.tell();
  }
  async useDevice() {}
}`;
