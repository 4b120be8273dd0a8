// What is particular to a call over the phone network while it goes on: who can hear it, what it
// costs, who holds it, and that it will be cut off.

import type { Call, Warning } from '../app/call';
import { costSoFar } from '../app/cost';
import { amount, rate } from '../app/money';
import { useValue } from '../app/observable';
import { clock } from '../app/times';
import { useCharge } from './charge';
import { useApp } from './context';
import { Icon } from './icons';
import { Banner, useNow } from './parts';

export function PhoneBadge() {
  return (
    <span class="badge phone-badge" data-testid="phone-badge">
      <Icon name="unlocked" size={16} /> Phone call, not end-to-end encrypted
    </span>
  );
}

/** Under the name: on hold or not, the cost so far, what is set aside. */
export function PhoneFacts({ call }: { call: Call }) {
  const hold = holdWords(call);
  return (
    <div class="phone-facts">
      <PhoneBadge />
      {hold && (
        <p class="hold-state" data-testid="hold-state">
          <Icon name="pause" size={18} /> {hold}
        </p>
      )}
      {call.direction === 'outgoing' && call.acceptedAt > 0 && <RunningCost call={call} />}
    </div>
  );
}

export function holdWords(call: Call): string {
  if (call.held && call.heldByPeer) return 'On hold, by both sides';
  if (call.heldByPeer) return 'On hold by the other side';
  return call.held ? 'On hold' : '';
}

/** From the price that was agreed to; after a reload, which forgets it, from the server. */
function RunningCost({ call }: { call: Call }) {
  const app = useApp();
  const now = useNow();
  const balance = useValue(app.wallet.state);
  const { quote } = call;
  const { charge } = useCharge(call.id, !quote, 5_000);
  const terms = quote ?? charge;
  if (!terms) return null;
  const cost = quote ? costSoFar(quote, now - call.acceptedAt) : (charge?.amountMicros ?? 0n);
  const { currency, perMinuteMicros } = terms;
  if (quote?.emergency || (perMinuteMicros === 0n && cost === 0n)) {
    return <p class="stage-number">Free</p>;
  }
  return (
    <p class="stage-number figures" data-testid="running-cost">
      About <strong>{amount(cost, currency)}</strong> so far
      <br />
      {rate(perMinuteMicros, currency)} per minute
      {balance && balance.reservedMicros > 0n && (
        <span data-testid="reserved">
          {' · '}
          {amount(balance.reservedMicros, balance.currency)} set aside
        </span>
      )}
    </p>
  );
}

export function CutOffWarning({ warning }: { warning: Warning }) {
  const now = useNow();
  const left = warning.at - now;
  // The balance was topped up in time.
  if (left < -GRACE_MS) return null;
  const why = warning.cause === 'CALL_CAUSE_TIME_LIMIT' ? TIME_LIMIT : CREDIT;
  return (
    <div class="banner warn cut-off" data-testid="cut-off">
      <Icon name="alert" size={20} />
      <div class="banner-text">{why}</div>
      <strong class="figures cut-off-left" role="timer" data-testid="cut-off-left">
        {clock(Math.max(0, left))}
      </strong>
    </div>
  );
}

export function Trouble() {
  const app = useApp();
  const { notice } = useValue(app.state);
  if (!notice) return null;
  return (
    <Banner tone="bad" testid="call-trouble" onClose={() => app.dismissNotice()}>
      {notice}
    </Banner>
  );
}

/** Said aloud once; the countdown itself is only shown. */
export function warningWords({ at, cause }: Warning): string {
  const why = cause === 'CALL_CAUSE_TIME_LIMIT' ? TIME_LIMIT : CREDIT;
  return `${why} In ${Math.max(0, Math.round((at - Date.now()) / 1000))} seconds.`;
}

const CREDIT = 'Your credit is running out: the call will be cut off.';
const TIME_LIMIT = 'The longest call time is nearly reached: the call will be cut off.';
const GRACE_MS = 5_000;
