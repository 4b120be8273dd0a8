// One call of the past: how it went, and over the phone network what it cost.

import { viaOf } from '../app/call';
import { prettyNumber } from '../app/countries';
import { amount, rate } from '../app/money';
import { useValue } from '../app/observable';
import { soundWords } from '../app/prices';
import { brief } from '../app/times';
import { causeWords, peerName } from '../app/words';
import type { Charge, HistoryEntry } from '../sdk';
import { useCharge } from './charge';
import { useApp } from './context';
import { Icon } from './icons';
import { Avatar, Button, Facts, type Fact } from './parts';

export function CallDetail({ callId }: { callId: string }) {
  const app = useApp();
  const { calls, loaded } = useValue(app.history.state);
  const call = calls.find((one) => one.callId === callId);
  return (
    <main class="page settings" data-testid="call-detail">
      <header class="top">
        <a class="icon-button" href="#recent" aria-label="Back" data-testid="close-detail">
          <Icon name="back" />
        </a>
        <h1>Call details</h1>
      </header>
      {call ? (
        <Detail call={call} />
      ) : (
        <p class="soft" role="status">
          {loaded ? 'This call is not in the list of recent calls.' : 'Looking for the call…'}
        </p>
      )}
    </main>
  );
}

function Detail({ call }: { call: HistoryEntry }) {
  const app = useApp();
  const peer = app.history.known(call.peer);
  const via = viaOf(call.via);
  const outgoing = call.direction === 'CALL_DIRECTION_OUTGOING';
  return (
    <>
      <section class="card detail-head">
        <Avatar peer={peer} />
        <div class="ended-words">
          <h2 data-testid="detail-name">{peerName(peer)}</h2>
          {peer.displayName && <p class="soft figures">{prettyNumber(peer.number)}</p>}
        </div>
        {peer.number && (
          <Button
            kind="quiet"
            icon="phone"
            testid="detail-call"
            onClick={() => app.callAgain(peer, via)}
          >
            {outgoing ? 'Call again' : 'Call back'}
          </Button>
        )}
      </section>
      <section class="card stack" aria-labelledby="course-title">
        <h2 id="course-title">The call</h2>
        <Facts facts={courseOf(call)} />
      </section>
      {via === 'phone' && <Cost call={call} />}
    </>
  );
}

function courseOf(call: HistoryEntry): Fact[] {
  const incoming = call.direction === 'CALL_DIRECTION_INCOMING';
  const phone = viaOf(call.via) === 'phone';
  const sort = call.media === 'CALL_MEDIA_VIDEO' ? 'video call' : 'call';
  const facts: Fact[] = [
    ['detail-sort', 'Direction', `${incoming ? 'Incoming' : 'Outgoing'} ${phone ? 'call' : sort}`],
    ['detail-via', 'Over', phone ? 'Phone network, not end-to-end encrypted' : 'Offhook'],
    ['detail-date', 'Date', DATE.format(call.placedAt)],
    ['detail-placed', 'Started', TIME.format(call.placedAt)],
  ];
  if (call.acceptedAt) {
    facts.push(['detail-answered', 'Answered', TIME.format(call.acceptedAt)]);
    facts.push(['detail-talked', 'Talked for', brief(call.endedAt - call.acceptedAt)]);
  }
  if (call.endedAt) facts.push(['detail-ended', 'Ended', TIME.format(call.endedAt)]);
  facts.push(['detail-cause', 'How it ended', causeWords(call.cause, incoming)]);
  return facts;
}

function Cost({ call }: { call: HistoryEntry }) {
  const { charge, missing } = useCharge(call.callId);
  return (
    <section class="card stack" aria-labelledby="cost-title" data-testid="detail-cost">
      <h2 id="cost-title">What it cost</h2>
      {charge ? (
        <Facts facts={costOf(charge)} />
      ) : (
        <p class="soft" role="status">
          {MISSING[missing]}
        </p>
      )}
    </section>
  );
}

const MISSING = {
  asking: 'Asking for the cost…',
  none: 'Nothing was charged for this call.',
  failed: 'The cost could not be asked for. Open this page again later.',
};

function costOf(charge: Charge): Fact[] {
  const { currency, connectionFeeMicros: fee } = charge;
  const facts: Fact[] = [
    ['detail-destination', 'Destination', charge.destination],
    ['detail-rate', 'Price', `${rate(charge.perMinuteMicros, currency)} per minute`],
  ];
  if (fee > 0n) facts.push(['detail-fee', 'Connection', amount(fee, currency)]);
  if (charge.billedS > 0) {
    facts.push(['detail-billed', 'Time charged', brief(charge.billedS * 1000)]);
  }
  const paid = charge.closed ? 'Amount' : 'Amount so far';
  facts.push(['detail-amount', paid, amount(charge.amountMicros, currency)]);
  facts.push(['detail-sound', 'Sound quality', soundWords(charge.mos)]);
  return facts;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
