// What is typed to be called, how it is to be reached, and for the phone network its price: fetched
// shortly after the last key, renewed while it is looked at, gone when anything changes. A call over
// the phone network can be placed only with a price on the screen.

import { RequestFailed, type Phone, type Quote } from '../sdk';
import { dialable, phoneDialable } from './countries';
import { Observable } from './observable';

export type Via = 'app' | 'phone';

export type Price =
  /** Nothing to ask for. */
  | { stage: 'none' }
  | { stage: 'asking'; number: string }
  | { stage: 'quoted'; number: string; quote: Quote }
  | { stage: 'refused'; number: string; error: RequestFailed }
  /** Looked at for so long that it is not renewed any more. */
  | { stage: 'stale'; number: string };

export interface DialerState {
  typed: string;
  via: Via;
  /** Hide the own number. */
  anonymous: boolean;
  price: Price;
}

type Timer = ReturnType<typeof setTimeout>;

export class Dialer {
  readonly state: Observable<DialerState>;
  private timer: Timer | undefined;
  /** Counts what was asked, so that late answers are known. */
  private asked = 0;
  private renewals = 0;

  constructor(
    private readonly phone: Pick<Phone, 'quote'>,
    via: Via = 'app',
  ) {
    this.state = new Observable<DialerState>({ typed: '', via, anonymous: false, price: NONE });
  }

  type(typed: string): void {
    this.state.update({ typed });
    this.reprice();
  }

  choose(via: Via): void {
    this.state.update({ via });
    this.reprice();
  }

  hideNumber(anonymous: boolean): void {
    this.state.update({ anonymous });
  }

  /** A number from elsewhere, to be looked at before it is called. */
  prefill(typed: string, via: Via): void {
    this.state.update({ typed, via });
    this.reprice();
  }

  clear(): void {
    this.type('');
  }

  /** What to call over the app; undefined when it cannot be a number. */
  get number(): string | undefined {
    return dialable(this.state.value.typed);
  }

  /** The price that is on the screen; without one the phone network is not called. */
  get quote(): Quote | undefined {
    const { price } = this.state.value;
    return price.stage === 'quoted' ? price.quote : undefined;
  }

  /** The balance moved, a price was refused, or it is stale: asks again for what is typed. */
  refresh(): void {
    const { price } = this.state.value;
    if (price.stage === 'none' || price.stage === 'asking') return;
    this.renewals = 0;
    if (price.stage !== 'quoted') this.show({ stage: 'asking', number: price.number });
    void this.ask(price.number);
  }

  private reprice(): void {
    const { typed, via, price } = this.state.value;
    const number = via === 'phone' ? phoneDialable(typed) : undefined;
    if (number && price.stage !== 'none' && price.number === number) return;
    clearTimeout(this.timer);
    this.asked += 1;
    this.renewals = 0;
    if (!number) {
      this.show(NONE);
      return;
    }
    this.show({ stage: 'asking', number });
    this.timer = setTimeout(() => void this.ask(number), DEBOUNCE_MS);
  }

  private async ask(number: string): Promise<void> {
    const turn = ++this.asked;
    clearTimeout(this.timer);
    try {
      const quote = await this.phone.quote(number);
      if (turn !== this.asked) return;
      this.show({ stage: 'quoted', number, quote });
      this.later(Math.max(LEAST_RENEWAL_MS, quote.validForMs - RENEW_BEFORE_MS), number);
    } catch (failed) {
      if (turn !== this.asked) return;
      const error = failed instanceof RequestFailed ? failed : new RequestFailed({});
      this.show({ stage: 'refused', number, error });
      const limited = error.code === 'ERROR_CODE_RATE_LIMITED';
      if (limited) this.later(Math.max(1, error.retryAfter) * 1000, number);
    }
  }

  private later(ms: number, number: string): void {
    this.timer = setTimeout(() => {
      this.renewals += 1;
      if (this.renewals > MOST_RENEWALS) this.show({ stage: 'stale', number });
      else void this.ask(number);
    }, ms);
  }

  private show(price: Price): void {
    this.state.update({ price });
  }
}

const NONE: Price = { stage: 'none' };
/** A pause in typing, not a gap between two keys. */
const DEBOUNCE_MS = 400;
/** A call placed at the last moment still reaches the server while the price is kept. */
const RENEW_BEFORE_MS = 5_000;
const LEAST_RENEWAL_MS = 2_000;
/** A page left open overnight does not ask all night. */
const MOST_RENEWALS = 10;
