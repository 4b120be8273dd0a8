// The sounds of a telephone, made by the browser itself: no files to load.

import type { Ringtone } from './preferences';

interface Note {
  /** Seconds from the start of the pattern. */
  at: number;
  hertz: number;
  seconds: number;
  /** Loudness from 0 to 1. */
  level: number;
  wave: OscillatorType;
}

interface Pattern {
  notes: Note[];
  /** Seconds until it repeats; 0 plays once. */
  every: number;
  vibrates?: boolean;
}

export class Tones {
  private context: AudioContext | undefined;
  private output: GainNode | undefined;
  private repeat: ReturnType<typeof setInterval> | undefined;

  constructor() {
    // Browsers allow sound after the first tap or key on the page; be ready for it.
    const unlock = () => void this.unlock();
    for (const kind of ['pointerdown', 'keydown']) {
      addEventListener(kind, unlock, { capture: true, passive: true });
    }
  }

  /** True while the browser would not let us be heard. */
  get blocked(): boolean {
    return this.audio().state !== 'running';
  }

  async unlock(): Promise<void> {
    const audio = this.audio();
    if (audio.state === 'suspended') await audio.resume().catch(() => undefined);
  }

  ring(tone: Ringtone): void {
    this.play({ ...RINGTONES[tone], vibrates: true });
    vibrate();
    if (tone === 'silent') this.repeat = setInterval(vibrate, 3000);
  }

  /** Plays a ringtone once, for choosing one. */
  sample(tone: Ringtone): void {
    this.play({ ...RINGTONES[tone], every: 0 });
  }

  ringback(): void {
    this.play(RINGBACK);
  }

  ended(): void {
    this.play(ENDED);
  }

  /** The two tones of a telephone's key; over whatever else sounds. */
  key(face: string): void {
    const tones = KEY_TONES[face];
    if (!tones) return;
    const audio = this.audio();
    const sound = () => {
      for (const hertz of tones) schedule(audio, audio.destination, { ...KEY_NOTE, hertz });
    };
    if (audio.state === 'running') sound();
    else void audio.resume().then(sound, () => undefined);
  }

  stop(): void {
    clearInterval(this.repeat);
    this.repeat = undefined;
    vibrate(0);
    const [audio, output] = [this.context, this.output];
    this.output = undefined;
    if (!audio || !output) return;
    // Fading in 60 ms avoids a click.
    output.gain.setTargetAtTime(0, audio.currentTime, 0.02);
    setTimeout(() => output.disconnect(), 200);
  }

  private play(pattern: Pattern): void {
    this.stop();
    const audio = this.audio();
    void this.unlock();
    const output = audio.createGain();
    output.connect(audio.destination);
    this.output = output;
    const once = () => {
      // Notes scheduled while blocked would all sound at once when unblocked.
      if (audio.state !== 'running') return;
      for (const note of pattern.notes) schedule(audio, output, note);
      if (pattern.vibrates) vibrate();
    };
    void audio.resume().then(once, () => undefined);
    if (pattern.every > 0) this.repeat = setInterval(once, pattern.every * 1000);
  }

  private audio(): AudioContext {
    this.context ??= new AudioContext();
    return this.context;
  }
}

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];
const KEY_NOTE = { at: 0, seconds: 0.12, level: 0.06, wave: 'sine' } as const;

/** A key's row and column (ITU-T Q.23), in hertz. */
const KEY_TONES = Object.fromEntries(
  ['123', '456', '789', '*0#'].flatMap((row, i) =>
    [...row].map((face, j) => [face, [ROWS[i] ?? 0, COLUMNS[j] ?? 0]]),
  ),
) as Record<string, [number, number]>;

/** Browsers refuse, and complain, before the first tap on the page. */
function vibrate(pattern: VibratePattern = [400, 200, 400]): void {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}

function schedule(audio: AudioContext, output: AudioNode, note: Note): void {
  const start = audio.currentTime + 0.02 + note.at;
  const end = start + note.seconds;
  const oscillator = new OscillatorNode(audio, { type: note.wave, frequency: note.hertz });
  const envelope = new GainNode(audio, { gain: 0 });
  envelope.gain.setValueAtTime(0, start);
  envelope.gain.linearRampToValueAtTime(note.level, start + 0.015);
  if (note.wave === 'sine' && note.seconds < 0.9) {
    envelope.gain.exponentialRampToValueAtTime(0.0005, end);
  } else {
    envelope.gain.setValueAtTime(note.level, end - 0.03);
    envelope.gain.linearRampToValueAtTime(0, end);
  }
  oscillator.connect(envelope).connect(output);
  oscillator.start(start);
  oscillator.stop(end + 0.02);
}

function melody(hertz: number[], step: number, seconds: number, level: number): Note[] {
  return hertz.map((tone, i) => ({ at: i * step, hertz: tone, seconds, level, wave: 'sine' }));
}

// G major pentatonic, rising then resting: noticeable without alarm.
const MEADOW = [392, 493.9, 587.3, 784, 587.3, 784];
const CHIMES = [1046.5, 784, 880, 659.3];

/** The two-tone warble of a desk phone's bell: 20 changes a second between two thirds. */
function bell(at: number): Note[] {
  return Array.from({ length: 20 }, (_, i) => ({
    at: at + i * 0.045,
    hertz: i % 2 ? 880 : 698.5,
    seconds: 0.06,
    level: 0.16,
    wave: 'triangle' as const,
  }));
}

const RINGTONES: Record<Ringtone, Pattern> = {
  meadow: { notes: melody(MEADOW, 0.17, 0.7, 0.28), every: 2.8 },
  chimes: { notes: melody(CHIMES, 0.32, 0.85, 0.26), every: 3 },
  classic: { notes: [...bell(0), ...bell(1.15)], every: 4 },
  silent: { notes: [], every: 0 },
};

/** 425 Hz, one second in five: ITU-T E.180, as in most of Europe. */
const RINGBACK: Pattern = {
  notes: [{ at: 0, hertz: 425, seconds: 1, level: 0.07, wave: 'sine' }],
  every: 5,
};

const ENDED: Pattern = {
  notes: [
    { at: 0, hertz: 480, seconds: 0.22, level: 0.12, wave: 'sine' },
    { at: 0.16, hertz: 360, seconds: 0.35, level: 0.12, wave: 'sine' },
  ],
  every: 0,
};
