// What is said above the home screen: the connection, refusals, how the last call ended.

import { useEffect, useState } from 'preact/hooks';
import type { Ended } from '../app/call';
import { amount } from '../app/money';
import { useValue } from '../app/observable';
import { endedWords } from '../app/words';
import { useCharge } from './charge';
import { useApp, useNamedCalls } from './context';
import { Icon } from './icons';
import { Avatar, Banner, Button } from './parts';

export function Notices() {
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
  const again = () => app.callAgain(ended.peer, ended.via, ended.video);
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
        {ended.via === 'phone' && ended.durationMs > 0 && <Cost ended={ended} />}
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

function Cost({ ended }: { ended: Ended }) {
  const { charge } = useCharge(ended.id, ended.direction === 'outgoing', 1_000);
  const cost = charge?.closed ? `It cost ${amount(charge.amountMicros, charge.currency)}. ` : '';
  return (
    <p class="soft figures" data-testid="ended-cost">
      {cost}
      <a class="link" href={`#call/${ended.id}`}>
        Details
      </a>
    </p>
  );
}
