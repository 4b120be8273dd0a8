// Decides which screen is drawn, and says aloud what happens to calls.

import { useEffect, useState } from 'preact/hooks';
import { useValue } from '../app/observable';
import { endedWords, peerName } from '../app/words';
import type { CallsState } from '../app/calls';
import { PHONE_NOTICE } from '../app/prices';
import { CallDetail } from './CallDetail';
import { useApp, useNamedCalls } from './context';
import { Elsewhere } from './Elsewhere';
import { Home } from './Home';
import { InCall } from './InCall';
import { Incoming } from './Incoming';
import { Outgoing } from './Outgoing';
import { holdWords, warningWords } from './PhoneCall';
import { Settings } from './Settings';
import { NameStep, SignIn } from './SignIn';
import { Sounds } from './VideoTile';

export function Root() {
  return (
    <>
      <Screen />
      <Sounds />
      <Announcer />
    </>
  );
}

function Screen() {
  const app = useApp();
  const { user, elsewhere } = useValue(app.state);
  const { current } = useNamedCalls();
  const [hash, setHash] = useState(location.hash);
  const [naming, setNaming] = useState(false);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const inCall = current !== undefined;
  // A screen begins at its top, whatever the one before was scrolled to.
  useEffect(() => scrollTo(0, 0), [hash, inCall]);
  if (naming) {
    const done = () => {
      setNaming(false);
      void app.begin();
    };
    return <NameStep onDone={done} />;
  }
  if (!user && elsewhere === 'no') {
    const signedIn = (named: boolean) => (named ? void app.begin() : setNaming(true));
    return <SignIn onDone={signedIn} />;
  }
  if (elsewhere !== 'no') return <Elsewhere inCall={elsewhere === 'in-call'} />;
  if (current?.stage === 'incoming') return <Incoming key={current.key} call={current} />;
  if (current?.stage === 'accepted' || current?.stage === 'accepting') {
    return <InCall key={current.key} call={current} />;
  }
  if (current) return <Outgoing key={current.key} call={current} />;
  if (hash === '#settings') return <Settings />;
  if (hash.startsWith(DETAIL)) return <CallDetail callId={hash.slice(DETAIL.length)} />;
  return <Home tab={hash === '#recent' ? 'recent' : 'dial'} />;
}

const DETAIL = '#call/';

/** One live region for the whole life of the page: screen readers miss regions that come and go. */
function Announcer() {
  const state = useNamedCalls();
  return (
    <div class="unseen" role="status" aria-live="assertive" data-testid="announcer">
      {announcement(state)}
    </div>
  );
}

function announcement({ current, ended }: CallsState): string {
  if (current) {
    const name = peerName(current.peer);
    switch (current.stage) {
      case 'incoming':
        if (current.via === 'phone') return `Incoming phone call from ${name}. ${PHONE_NOTICE}`;
        return `Incoming ${current.video ? 'video ' : ''}call from ${name}`;
      case 'placing':
      case 'placed':
        return `Calling ${name}`;
      case 'ringing':
        return `Ringing at ${name}`;
      case 'accepting':
        return 'Connecting';
      case 'accepted':
        if (current.warning) return warningWords(current.warning);
        return holdWords(current) || `In a call with ${name}`;
    }
  }
  if (!ended) return '';
  const { title, detail } = endedWords(ended);
  return detail ? `${title}. ${detail}` : title;
}
