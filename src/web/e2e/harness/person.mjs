// Somebody at a browser: a Chromium process with an empty profile of its own, fake devices, and the
// app open in it.

import { chromium } from 'playwright-core';
import { CODE } from './server.mjs';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];
const FAKE_DEVICES = ['--use-fake-device-for-media-stream=fps=10', '--use-fake-ui-for-media-stream'];

/** How long anything that a person waits for may take on a loaded machine. */
export const DEADLINE_MS = 30_000;

export class Person {
  /** `devices: false` has no camera and microphone; `prepare` gets the context before the app. */
  static async arrive(url, { devices = true, context = {}, prepare } = {}) {
    const person = new Person();
    const args = [...FLAGS, ...(devices ? FAKE_DEVICES : ['--use-fake-ui-for-media-stream'])];
    person.url = url;
    person.browser = await chromium.launch({ executablePath: chromiumPath(), args });
    person.context = await person.browser.newContext({ locale: 'en-US', ...context });
    person.context.setDefaultTimeout(DEADLINE_MS);
    await person.context.addInitScript(instruments);
    await prepare?.(person.context);
    person.console = [];
    person.page = await person.context.newPage();
    person.watch(person.page);
    await person.page.goto(url);
    return person;
  }

  watch(page) {
    page.on('console', (message) => this.console.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => this.console.push(`page error: ${error.message}`));
  }

  /** By its data-testid. */
  at(name) {
    return this.page.getByTestId(name);
  }

  see(name) {
    return this.at(name).first().waitFor();
  }

  gone(name) {
    return this.at(name).first().waitFor({ state: 'detached' });
  }

  click(name) {
    return this.at(name).first().click();
  }

  async text(name) {
    return (await this.at(name).first().textContent())?.trim();
  }

  seeText(name, text) {
    return this.at(name).filter({ hasText: text }).first().waitFor();
  }

  async signIn(number) {
    await this.at('number').fill(number);
    await this.click('send-code');
    await this.at('code').fill(CODE);
    await this.click('verify');
  }

  async signUp(number, name) {
    await this.signIn(number);
    await this.at('display-name').fill(name);
    await this.click('save-name');
    await this.online();
    this.number = number;
    this.name = name;
    return this;
  }

  /** Home, with the session standing: the history came over it. */
  async online() {
    await this.see('home');
    await this.page
      .locator('[data-testid=history], [data-testid=history-empty]')
      .first()
      .waitFor({ state: 'attached' });
  }

  async call(number, { video = true } = {}) {
    await this.at('dial-number').fill(number);
    await this.click(video ? 'call-video' : 'call-audio');
  }

  joined() {
    return this.page.locator('[data-testid=in-call][data-joined=true]').waitFor();
  }

  // ------------------------------------------------------------ what arrives

  /** Waits until the other side's sound has energy, here, at the end of the whole path. */
  async hears() {
    await this.page.waitForFunction(
      () => window.instruments.loudest('[data-testid=remote-audio]') > 0.02,
    );
  }

  /** Waits until the picture in that element has changed several times. */
  async seesMotion(name = 'remote-video') {
    const selector = `[data-testid=${name}]`;
    await this.page.evaluate((s) => window.instruments.forget(s), selector);
    await this.page.waitForFunction((s) => window.instruments.changes(s) >= 5, selector, {
      polling: 60,
    });
  }

  hearsAndSees() {
    return Promise.all([this.hears(), this.seesMotion()]);
  }

  stats() {
    return this.page.evaluate(() => window.instruments.stats());
  }

  async leave() {
    await this.browser.close();
  }
}

export function chromiumPath() {
  return process.env.CHROMIUM ?? '/usr/bin/chromium';
}

/** Runs in every page before its own code. Measures; changes nothing. */
function instruments() {
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };

  let audio;
  const ears = new WeakMap();
  const loudness = (element) => {
    if (!element.srcObject || element.paused || element.muted) return 0;
    audio ??= new AudioContext();
    let ear = ears.get(element.srcObject);
    if (!ear) {
      const analyser = new AnalyserNode(audio, { fftSize: 2048 });
      audio.createMediaStreamSource(element.srcObject).connect(analyser);
      ear = { analyser, samples: new Float32Array(2048) };
      ears.set(element.srcObject, ear);
    }
    ear.analyser.getFloatTimeDomainData(ear.samples);
    const energy = ear.samples.reduce((sum, sample) => sum + sample * sample, 0);
    return Math.sqrt(energy / ear.samples.length);
  };

  const eyes = new Map();
  const look = (video) => {
    const canvas = new OffscreenCanvas(64, 48);
    const brush = canvas.getContext('2d', { willReadFrequently: true });
    brush.drawImage(video, 0, 0, 64, 48);
    return brush.getImageData(0, 0, 64, 48).data;
  };
  const differs = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i += 1) sum += Math.abs(a[i] - b[i]);
    return sum / a.length > 0.5;
  };

  window.instruments = {
    loudest: (selector) => Math.max(0, ...[...document.querySelectorAll(selector)].map(loudness)),
    forget: (selector) => eyes.delete(selector),
    changes: (selector) => {
      const video = document.querySelector(selector);
      if (!video?.videoWidth) return 0;
      const picture = look(video);
      const eye = eyes.get(selector) ?? { picture, count: 0 };
      if (differs(eye.picture, picture)) {
        eye.count += 1;
        eye.picture = picture;
      }
      eyes.set(selector, eye);
      return eye.count;
    },
    stats: async () => {
      const live = connections.filter((one) => one.connectionState === 'connected');
      const reports = await Promise.all(live.map((one) => one.getStats()));
      return reports.flatMap((report) => [...report.values()]);
    },
  };
}
