// What happened before, newest first.

import { viaOf } from '../app/call';
import { amount } from '../app/money';
import { useValue } from '../app/observable';
import { brief, when } from '../app/times';
import { outcomeWords, peerName } from '../app/words';
import type { HistoryEntry } from '../sdk';
import { useApp } from './context';
import { Icon } from './icons';
import { Avatar, Button, Round } from './parts';

export function Recent() {
  const app = useApp();
  const { calls, more, loaded, failed } = useValue(app.history.state);
  return (
    <>
      <h2 id="recent-title">Recent calls</h2>
      {!loaded && failed && (
        <p class="soft">
          The list could not be loaded.{' '}
          <button class="link" type="button" onClick={() => void app.history.refresh()}>
            Try again
          </button>
        </p>
      )}
      {loaded && calls.length === 0 && (
        <div class="empty" data-testid="history-empty">
          <Icon name="phone" size={28} />
          <p>No calls yet. Type a number to make the first one.</p>
        </div>
      )}
      {calls.length > 0 && (
        <ul class="history" data-testid="history">
          {calls.map((call) => (
            <HistoryLine key={call.callId} call={call} />
          ))}
        </ul>
      )}
      {more && (
        <Button kind="quiet" testid="history-more" onClick={() => void app.history.loadMore()}>
          Show earlier calls
        </Button>
      )}
    </>
  );
}

function HistoryLine({ call }: { call: HistoryEntry }) {
  const app = useApp();
  const incoming = call.direction === 'CALL_DIRECTION_INCOMING';
  const accepted = call.acceptedAt > 0;
  const missed = outcomeWords(call.cause, incoming, accepted) === 'Missed';
  const peer = app.history.known(call.peer);
  return (
    <li
      class={missed ? 'missed' : ''}
      data-testid="history-entry"
      data-direction={incoming ? 'incoming' : 'outgoing'}
      data-cause={call.cause}
      data-accepted={accepted}
      data-via={viaOf(call.via)}
    >
      <a class="history-open" href={`#call/${call.callId}`} data-testid="open-call">
        <Avatar peer={peer} />
        <span class="history-words">
          <span class="history-title">
            <span class="history-name">{peerName(peer)}</span>
            {call.chargeMicros > 0n && (
              <span class="history-paid figures" data-testid="history-paid">
                {amount(call.chargeMicros, call.currency)}
              </span>
            )}
          </span>
          <HistoryFacts call={call} />
        </span>
      </a>
      {peer.number && <HistoryActions call={call} />}
    </li>
  );
}

function HistoryFacts({ call }: { call: HistoryEntry }) {
  const incoming = call.direction === 'CALL_DIRECTION_INCOMING';
  const accepted = call.acceptedAt > 0;
  const outcome = outcomeWords(call.cause, incoming, accepted);
  const lasted = accepted ? brief(call.endedAt - call.acceptedAt) : '';
  const placed = new Date(call.placedAt);
  const direction = incoming ? 'Incoming' : 'Outgoing';
  const network = viaOf(call.via) === 'phone' ? 'phone call' : 'call';
  const sort = call.media === 'CALL_MEDIA_VIDEO' ? 'video call' : network;
  return (
    <span class="history-facts">
      {network === 'phone call' && <Icon name="unlocked" size={16} />}
      <Icon
        name={outcome === 'Missed' ? 'missed' : incoming ? 'incoming' : 'outgoing'}
        size={16}
      />
      <span class="unseen">
        {direction} {sort}.{' '}
      </span>
      {outcome && <span class="history-outcome">{outcome}</span>}
      {lasted && !outcome && <span class="figures">{lasted}</span>}
      <time dateTime={placed.toISOString()} title={placed.toLocaleString()}>
        {when(call.placedAt)}
      </time>
    </span>
  );
}

function HistoryActions({ call }: { call: HistoryEntry }) {
  const app = useApp();
  const peer = app.history.known(call.peer);
  const via = viaOf(call.via);
  const name = peerName(peer);
  return (
    <span class="history-actions">
      <Round
        icon="phone"
        label={via === 'phone' ? `Call ${name} over the phone network` : `Call ${name}`}
        testid="call-back"
        onClick={() => app.callAgain(peer, via)}
      />
      {via === 'app' && (
        <Round
          icon="video"
          label={`Video call ${name}`}
          testid="video-back"
          onClick={() => app.callAgain(peer, 'app', true)}
        />
      )}
    </span>
  );
}
