// The balance of the account, as last heard.

import type { Balance, Phone } from '../sdk';
import { Observable } from './observable';

export class Wallet {
  /** Undefined until known, and where the server has no money. */
  readonly state = new Observable<Balance | undefined>(undefined);

  constructor(private readonly phone: Pick<Phone, 'balance'>) {}

  take(balance: Balance): void {
    this.state.set(balance);
  }

  async refresh(): Promise<void> {
    // A server without phone calls refuses; then no balance is shown.
    const balance = await this.phone.balance().catch(() => undefined);
    if (balance) this.take(balance);
  }

  clear(): void {
    this.state.set(undefined);
  }
}
