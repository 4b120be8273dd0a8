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
  /**
   * `devices: false` has no camera and microphone; `prepare` gets the context before the app; `flags` are more of the
   * browser's.
   */
  static async arrive(url, { devices = true, context = {}, prepare, flags = [] } = {}) {
    const person = new Person();
    const own = devices ? FAKE_DEVICES : ['--use-fake-ui-for-media-stream'];
    const args = [...FLAGS, ...own, ...flags];
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

  /** A number of the phone network is typed, and its price is asked for. */
  async dialPhone(number) {
    await this.page.locator('label', { has: this.at('via-phone') }).click();
    await this.at('dial-number').fill(number);
  }

  /** The price is seen, and the call goes out. */
  async callPhone(number) {
    await this.dialPhone(number);
    await this.see('price-rate');
    await this.click('call-phone');
  }

  /** How the call ended, once that is said. */
  async endedCause() {
    await this.see('ended');
    return this.at('ended').getAttribute('data-cause');
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

  /** Waits until that tone is the strongest of what the other side sends. */
  async hearsTone(hertz) {
    const heard = (hz) => {
      const { pitch, loudest } = window.instruments;
      const audio = '[data-testid=remote-audio]';
      return loudest(audio) > 0.02 && Math.abs(pitch(audio) - hz) < 12;
    };
    await this.page.waitForFunction(heard, hertz, { polling: 50 });
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

  /** A picture for whoever wants to look, where OFFHOOK_E2E_SHOTS names a folder. */
  async shot(name) {
    const folder = process.env.OFFHOOK_E2E_SHOTS;
    if (folder) await this.page.screenshot({ path: `${folder}/${name}.png` });
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
  const earAt = (element) => {
    if (!element?.srcObject || element.paused || element.muted) return undefined;
    audio ??= new AudioContext();
    let ear = ears.get(element.srcObject);
    if (!ear) {
      const [analyser, spectrum] = [2048, 8192].map(
        (fftSize) => new AnalyserNode(audio, { fftSize, smoothingTimeConstant: 0 }),
      );
      const source = audio.createMediaStreamSource(element.srcObject);
      source.connect(analyser);
      source.connect(spectrum);
      ear = { analyser, samples: new Float32Array(2048), spectrum, bins: new Float32Array(4096) };
      ears.set(element.srcObject, ear);
    }
    return ear;
  };
  const loudness = (element) => {
    const ear = earAt(element);
    if (!ear) return 0;
    ear.analyser.getFloatTimeDomainData(ear.samples);
    const energy = ear.samples.reduce((sum, sample) => sum + sample * sample, 0);
    return Math.sqrt(energy / ear.samples.length);
  };
  const pitch = (element) => {
    const ear = earAt(element);
    if (!ear) return 0;
    ear.spectrum.getFloatFrequencyData(ear.bins);
    const strongest = ear.bins.reduce((best, power, i) => (power > ear.bins[best] ? i : best), 0);
    return (strongest * audio.sampleRate) / ear.spectrum.fftSize;
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
    /** The frequency with the most power, in Hz. */
    pitch: (selector) => pitch(document.querySelector(selector)),
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
