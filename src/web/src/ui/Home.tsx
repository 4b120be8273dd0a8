// The screen between calls: dial, and what happened before.

import { useEffect, useState } from 'preact/hooks';
import { dialable, prettyNumber } from '../app/countries';
import { useValue } from '../app/observable';
import { brief, endedWords, outcomeWords, peerName, when } from '../app/words';
import type { HistoryEntry } from '../sdk';
import { useApp, useNamedCalls } from './context';
import { Icon, Logo } from './icons';
import { Avatar, Banner, Button, Round } from './parts';
import { ErrorLine } from './SignIn';

export function Home() {
  const app = useApp();
  const { user } = useValue(app.state);
  return (
    <main class="page home" data-testid="home">
      <header class="top">
        <Logo size={36} />
        <span class="top-name">Offhook</span>
        <a
          class="me"
          href="#settings"
          data-testid="open-settings"
          aria-label="Settings and devices"
        >
          <span class="me-words">
            <span class="me-name" data-testid="me-name">
              {user?.displayName || 'No name yet'}
            </span>
            <span class="me-number figures">{prettyNumber(user?.number ?? '')}</span>
          </span>
          <Icon name="sliders" size={22} />
        </a>
      </header>
      <Notices />
      <div class="columns">
        <section class="card dialer" aria-labelledby="dial-title">
          <Dialer />
        </section>
        <section class="recent" aria-labelledby="recent-title">
          <Recent />
        </section>
      </div>
    </main>
  );
}

function Notices() {
  const app = useApp();
  const { notice } = useValue(app.state);
  const { ended } = useValue(app.calls.state);
  return (
    <div class="notices">
      <ConnectionBanner />
      {notice && (
        <Banner tone="bad" testid="notice" onClose={() => app.dismissNotice()}>
          {notice}
        </Banner>
      )}
      {ended && <EndedCard />}
    </div>
  );
}

/** Says that there is no connection, once that has lasted long enough to matter. */
export function ConnectionBanner() {
  const app = useApp();
  const { phase } = useValue(app.state);
  const away = phase === 'waiting' || phase === 'connecting';
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!away) {
      setShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setShown(true), 1200);
    return () => clearTimeout(timer);
  }, [away]);
  if (!shown) return null;
  return (
    <Banner tone="warn" testid="offline">
      {navigator.onLine ? 'Connecting to Offhook…' : 'You are offline.'} Calls can’t reach you.
    </Banner>
  );
}

function EndedCard() {
  const app = useApp();
  const { ended } = useNamedCalls();
  if (!ended) return null;
  const { title, detail } = endedWords(ended);
  const elsewhere = ended.cause.endsWith('ELSEWHERE');
  const again = () => app.call(ended.peer.number, ended.video, ended.peer.displayName);
  return (
    <div class="card ended" data-testid="ended" data-cause={ended.cause}>
      <Avatar peer={ended.peer} />
      <div class="ended-words">
        <h2 data-testid="ended-title">{title}</h2>
        {detail && (
          <p class="soft" data-testid="ended-detail">
            {detail}
          </p>
        )}
      </div>
      <div class="ended-actions">
        {!elsewhere && ended.peer.number && (
          <Button
            kind="quiet"
            icon={ended.video ? 'video' : 'phone'}
            testid="call-again"
            onClick={again}
          >
            {ended.direction === 'incoming' ? 'Call back' : 'Call again'}
          </Button>
        )}
        <button
          class="icon-button"
          type="button"
          aria-label="Dismiss"
          data-testid="dismiss-ended"
          onClick={() => app.calls.dismissEnded()}
        >
          <Icon name="close" size={20} />
        </button>
      </div>
    </div>
  );
}

function Dialer() {
  const app = useApp();
  const [typed, setTyped] = useState('');
  const [error, setError] = useState('');
  const call = (video: boolean) => {
    const number = dialable(typed);
    if (number) app.call(number, video);
    else setError('Type the number to call, for example +1 202 555 0123.');
  };
  const submit = (event: Event) => {
    event.preventDefault();
    call(false);
  };
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <h1 id="dial-title">Make a call</h1>
      <label class="field">
        <span>Phone number</span>
        <input
          class="dial"
          type="tel"
          inputMode="tel"
          autocomplete="off"
          placeholder="+1 202 555 0123"
          value={typed}
          aria-invalid={error !== ''}
          aria-describedby="dial-error"
          data-testid="dial-number"
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setError('');
          }}
        />
      </label>
      <ErrorLine id="dial-error" text={error} />
      <div class="pair">
        <Button type="submit" icon="phone" testid="call-audio">
          Call
        </Button>
        <Button kind="quiet" icon="video" testid="call-video" onClick={() => call(true)}>
          Video call
        </Button>
      </div>
    </form>
  );
}

function Recent() {
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
  const outcome = outcomeWords(call.cause, incoming, accepted);
  const missed = outcome === 'Missed';
  const peer = app.history.known(call.peer);
  const name = peerName(peer);
  const lasted = accepted ? brief(call.endedAt - call.acceptedAt) : '';
  const back = (video: boolean) => app.call(peer.number, video, peer.displayName);
  const placed = new Date(call.placedAt);
  const direction = incoming ? 'Incoming' : 'Outgoing';
  const sort = call.media === 'CALL_MEDIA_VIDEO' ? 'video call' : 'call';
  return (
    <li
      class={missed ? 'missed' : ''}
      data-testid="history-entry"
      data-direction={incoming ? 'incoming' : 'outgoing'}
      data-cause={call.cause}
      data-accepted={accepted}
    >
      <Avatar peer={peer} />
      <div class="history-words">
        <span class="history-name">{name}</span>
        <span class="history-facts">
          <Icon name={missed ? 'missed' : incoming ? 'incoming' : 'outgoing'} size={16} />
          <span class="unseen">
            {direction} {sort}.{' '}
          </span>
          {outcome && <span class="history-outcome">{outcome}</span>}
          {lasted && <span class="figures">{lasted}</span>}
          <time dateTime={placed.toISOString()} title={placed.toLocaleString()}>
            {when(call.placedAt)}
          </time>
        </span>
      </div>
      {peer.number && (
        <span class="history-actions">
          <Round
            icon="phone"
            label={`Call ${name}`}
            testid="call-back"
            onClick={() => back(false)}
          />
          <Round
            icon="video"
            label={`Video call ${name}`}
            testid="video-back"
            onClick={() => back(true)}
          />
        </span>
      )}
    </li>
  );
}
