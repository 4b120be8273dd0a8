// The balance: at a glance in the header, in full in the settings.

import { amount, roundedDown } from '../app/money';
import { useValue } from '../app/observable';
import { spendable } from '../app/prices';
import { useApp } from './context';
import { Icon } from './icons';
import { Facts, type Fact } from './parts';

export function BalanceChip() {
  const app = useApp();
  const balance = useValue(app.wallet.state);
  if (!balance) return null;
  const text = roundedDown(balance.bookedMicros, balance.currency);
  return (
    <a
      class={`balance-chip figures ${spendable(balance) <= 0n ? 'low' : ''}`}
      href="#settings"
      aria-label={`Balance ${text}`}
      title="Balance for phone calls"
      data-testid="balance"
    >
      <Icon name="wallet" size={18} />
      <span>{text}</span>
    </a>
  );
}

export function BalanceFacts() {
  const app = useApp();
  const balance = useValue(app.wallet.state);
  if (!balance) {
    return <p class="soft">Not known right now. Phone calls may not be offered here.</p>;
  }
  const { bookedMicros, reservedMicros, creditLimitMicros, currency } = balance;
  const fact = (testid: string, name: string, micros: bigint): Fact => [
    testid,
    name,
    amount(micros, currency),
  ];
  const facts = [fact('balance-booked', 'Balance', bookedMicros)];
  if (reservedMicros > 0n) {
    facts.push(fact('balance-reserved', 'Set aside for calls in progress', reservedMicros));
  }
  if (creditLimitMicros > 0n) facts.push(fact('balance-credit', 'Credit limit', creditLimitMicros));
  if (facts.length > 1) facts.push(fact('balance-left', 'Left to spend', spendable(balance)));
  return <Facts facts={facts} />;
}
