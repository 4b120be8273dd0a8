// What the person chose for this browser. Nothing here leaves it.

import type { Via } from './dialer';
import { Observable } from './observable';

export interface Preferences {
  microphone: string;
  camera: string;
  speaker: string;
  ringtone: Ringtone;
  country: string;
  /** How the last number was dialed. */
  via: Via;
  /** Whether keys sound like those of a telephone. */
  keyTones: boolean;
}

export type Ringtone = 'meadow' | 'chimes' | 'classic' | 'silent';

const KEY = 'offhook.preferences';

const DEFAULTS: Preferences = {
  microphone: '',
  camera: '',
  speaker: '',
  ringtone: 'meadow',
  country: '',
  via: 'app',
  keyTones: true,
};

export const preferences = new Observable<Preferences>(load());

preferences.subscribe((value) => localStorage.setItem(KEY, JSON.stringify(value)));

function load(): Preferences {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as object) };
  } catch {
    return DEFAULTS;
  }
}
