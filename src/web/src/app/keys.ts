// Keys pressed during a call, sent in order: one message is on its way at a time, and what is
// pressed meanwhile goes along with the next.

import { KEYS_AT_ONCE, type Phone } from '../sdk';
import { Observable } from './observable';

export const FACES = '123456789*0#';

/** The key of a keyboard event; undefined for one that a telephone does not have. */
export function faceOf(key: string): string | undefined {
  return /^[0-9*#]$/.test(key) ? key : undefined;
}

export class Keys {
  /** What was pressed during the call, for the eyes of who pressed it. */
  readonly state = new Observable({ callId: '', faces: '' });
  private waiting = '';
  private sending = false;

  constructor(
    private readonly phone: Pick<Phone, 'pressKeys'>,
    private readonly onFailed: () => void,
  ) {}

  async press(callId: string, face: string): Promise<void> {
    const { callId: before, faces } = this.state.value;
    const same = callId === before;
    this.state.set({ callId, faces: (same ? faces : '') + face });
    this.waiting = (same ? this.waiting : '') + face;
    if (this.sending) return;
    this.sending = true;
    while (this.waiting) {
      const keys = this.waiting.slice(0, KEYS_AT_ONCE);
      this.waiting = this.waiting.slice(KEYS_AT_ONCE);
      try {
        await this.phone.pressKeys(this.state.value.callId, keys);
      } catch {
        // The rest would be heard with a hole in it.
        this.waiting = '';
        this.onFailed();
      }
    }
    this.sending = false;
  }
}
