import { useEffect, useState } from 'preact/hooks';
import type { Call } from '../app/call';
import { prettyNumber } from '../app/countries';
import { peerName } from '../app/words';
import { useApp } from './context';
import { Avatar, Round, useFocusTrap } from './parts';
import { PhoneNotice } from './PhoneActions';

/** Somebody calls. */
export function Incoming({ call }: { call: Call }) {
  const app = useApp();
  const place = useFocusTrap<HTMLDivElement>();
  const name = peerName(call.peer);
  const phone = call.via === 'phone';
  const sort = phone ? 'phone call' : call.video ? 'video call' : 'call';
  return (
    <div
      ref={place}
      class="stage ringing"
      role="alertdialog"
      aria-modal="true"
      aria-labelledby="incoming-name"
      aria-describedby={phone ? 'incoming-kind incoming-notice' : 'incoming-kind'}
      data-testid="incoming"
    >
      <div class="stage-person">
        <p id="incoming-kind" class="stage-kind">
          Incoming {sort}
        </p>
        <span class="pulse">
          <Avatar peer={call.peer} size="large" />
        </span>
        <h1 id="incoming-name" data-testid="incoming-name">
          {name}
        </h1>
        {call.peer.displayName && (
          <p class="stage-number figures">{prettyNumber(call.peer.number)}</p>
        )}
        {phone && <PhoneNotice id="incoming-notice" />}
        <Silenced />
      </div>
      <div class="answer">
        <Round
          icon="hangUp"
          tone="bad"
          label="Decline"
          caption="Decline"
          testid="decline"
          onClick={() => app.calls.leave()}
        />
        <Round
          icon="phone"
          tone={call.video ? 'plain' : 'good'}
          autoFocus={!call.video}
          label={call.video ? 'Answer without camera' : 'Answer'}
          caption={call.video ? 'Audio only' : 'Answer'}
          testid="accept-audio"
          onClick={() => void app.calls.accept(false)}
        />
        {!phone && (
          <Round
            icon="video"
            tone={call.video ? 'good' : 'plain'}
            autoFocus={call.video}
            label="Answer with camera"
            caption={call.video ? 'Answer' : 'With video'}
            testid="accept-video"
            onClick={() => void app.calls.accept(true)}
          />
        )}
      </div>
    </div>
  );
}

/** Without any tap on the page so far the browser lets nothing be heard; then this is said. */
function Silenced() {
  const app = useApp();
  const [blocked, setBlocked] = useState(false);
  useEffect(() => {
    const look = () => setBlocked(app.tones.blocked);
    const timer = setInterval(look, 500);
    return () => clearInterval(timer);
  }, [app]);
  if (!blocked) return null;
  return (
    <p class="hint" data-testid="ring-blocked">
      Your browser keeps the ringtone silent until you tap or press a key.
    </p>
  );
}
