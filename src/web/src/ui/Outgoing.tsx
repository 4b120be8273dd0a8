import { useState } from 'preact/hooks';
import { Observable, useValue } from '../app/observable';
import type { Call } from '../app/call';
import { prettyNumber } from '../app/countries';
import { priceWords } from '../app/prices';
import { peerName } from '../app/words';
import type { RoomView } from '../media/room';
import { useApp } from './context';
import { ConnectionBanner } from './Notices';
import { DeviceHelp } from './DeviceHelp';
import { Avatar, Round } from './parts';
import { PhoneNotice } from './PhoneActions';
import { KeyPanel } from './KeyPanel';
import { VideoTile } from './VideoTile';

/** Waiting for an answer. */
export function Outgoing({ call }: { call: Call }) {
  const app = useApp();
  const { preview } = useValue(app.state);
  const name = peerName(call.peer);
  const words = { placing: 'Calling…', placed: 'Calling…', ringing: 'Ringing…' } as const;
  const [keys, setKeys] = useState(false);
  const text = words[call.stage as keyof typeof words] ?? 'Connecting…';
  return (
    <main class="stage" data-testid="outgoing" data-stage={call.stage}>
      {preview?.video && (
        <VideoTile track={preview.video} mirrored class="backdrop" testid="preview" label="You" />
      )}
      <div class="stage-top">
        <ConnectionBanner />
        <DeviceHelp
          microphone={preview?.microphoneProblem}
          camera={call.camera ? preview?.cameraProblem : undefined}
        />
      </div>
      <div class="stage-person">
        <span class={call.stage === 'ringing' ? 'pulse' : ''}>
          <Avatar peer={call.peer} size="large" />
        </span>
        <h1 data-testid="outgoing-name">{name}</h1>
        {call.peer.displayName && (
          <p class="stage-number figures">{prettyNumber(call.peer.number)}</p>
        )}
        <p class="stage-kind" data-testid="outgoing-state">
          {text}
        </p>
        {call.via === 'phone' && <PhoneTerms call={call} />}
      </div>
      {keys && <KeyPanel callId={call.id} onClose={() => setKeys(false)} />}
      <div class="answer">
        <EarlyKeys open={keys} onToggle={() => setKeys(!keys)} />
        <Round
          icon="hangUp"
          tone="bad"
          autoFocus
          label="Cancel the call"
          caption="Cancel"
          testid="cancel"
          onClick={() => app.calls.leave()}
        />
      </div>
    </main>
  );
}

/** What was agreed to, and who can hear it. */
function PhoneTerms({ call }: { call: Call }) {
  const { quote } = call;
  const words = quote && priceWords(quote);
  return (
    <>
      {quote && words && (
        <p class="stage-number figures" data-testid="outgoing-price">
          {quote.destination}
          <br />
          {quote.emergency ? 'Free' : words.price}
        </p>
      )}
      <PhoneNotice id="outgoing-notice" />
    </>
  );
}

/** A machine that speaks before the answer may want keys. */
function EarlyKeys({ open, onToggle }: { open: boolean; onToggle: () => void }) {
  const { room } = useValue(useApp().state);
  const view = useValue<RoomView | undefined>(room?.view ?? NO_ROOM);
  if (!view?.heard) return null;
  return (
    <Round
      icon="keypad"
      tone={open ? 'on' : 'plain'}
      label="Keypad"
      caption="Keypad"
      expanded={open}
      testid="open-keys"
      onClick={onToggle}
    />
  );
}

const NO_ROOM = new Observable<RoomView | undefined>(undefined);
