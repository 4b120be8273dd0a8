// Two people talk.

import { useEffect, useState } from 'preact/hooks';
import type { Call } from '../app/call';
import { Observable, useValue } from '../app/observable';
import { faceOf } from '../app/keys';
import { clock } from '../app/times';
import { peerName } from '../app/words';
import type { OwnView, Quality, RoomView } from '../media/room';
import { Controls, type Panel } from './CallControls';
import { useApp } from './context';
import { DeviceHelp } from './DeviceHelp';
import { DevicePanel } from './DevicePanel';
import { Icon } from './icons';
import { KeyPanel } from './KeyPanel';
import { Avatar, Banner, useNow } from './parts';
import { CutOffWarning, PhoneFacts, Trouble } from './PhoneCall';
import { VideoTile } from './VideoTile';

export function InCall({ call }: { call: Call }) {
  const app = useApp();
  const { room } = useValue(app.state);
  const view = useValue<RoomView | undefined>(room?.view ?? NO_ROOM);
  const [panel, setPanel] = useState<Panel>('none');
  useShortcuts(call, view?.own, (face) => {
    setPanel('keys');
    app.press(face);
  });
  const joined = view?.peer !== undefined;
  return (
    <main
      class={`stage in-call ${view?.peer?.camera || view?.peer?.screen ? 'with-video' : ''}`}
      data-testid="in-call"
      data-link={view?.link ?? 'joining'}
      data-joined={joined}
      data-via={call.via}
      data-panel={panel}
    >
      <RemoteSide call={call} view={view} />
      {view?.own.camera && view.own.cameraTrack && (
        <div class={`own ${view.own.speaking ? 'speaking' : ''}`}>
          <VideoTile track={view.own.cameraTrack} mirrored testid="own-video" label="You" />
          {!view.own.microphone && (
            <span class="badge corner">
              <Icon name="micOff" size={16} />
            </span>
          )}
        </div>
      )}
      <header class="call-top">
        <CallHead call={call} view={view} />
        <CallBanners call={call} view={view} />
      </header>
      {panel === 'devices' && (
        <DevicePanel camera={call.via === 'app'} onClose={() => setPanel('none')} />
      )}
      {panel === 'keys' && <KeyPanel callId={call.id} onClose={() => setPanel('none')} />}
      <Controls call={call} view={view} panel={panel} onPanel={setPanel} />
    </main>
  );
}

function RemoteSide({ call, view }: { call: Call; view: RoomView | undefined }) {
  const peer = view?.peer;
  const name = peerName(call.peer);
  const big = peer?.screen ?? peer?.camera;
  return (
    <>
      {big ? (
        <VideoTile
          key={big.sid}
          track={big}
          class={`remote ${peer?.screen ? 'whole' : ''}`}
          testid={peer?.screen ? 'remote-screen' : 'remote-video'}
          label={peer?.screen ? `${name}’s screen` : name}
        />
      ) : (
        <div class="stage-person">
          <span class={peer?.speaking ? 'speaking-ring' : 'quiet-ring'}>
            <Avatar peer={call.peer} size="large" />
          </span>
          <h1>{name}</h1>
          {peer && call.video && (
            <p class="stage-kind" data-testid="peer-camera-off">
              Camera is off
            </p>
          )}
          {call.via === 'phone' && <PhoneFacts call={call} />}
        </div>
      )}
      {peer?.screen && peer.camera && (
        <div class="peer-small">
          <VideoTile track={peer.camera} testid="remote-video" label={name} />
        </div>
      )}
    </>
  );
}

function CallHead({ call, view }: { call: Call; view: RoomView | undefined }) {
  const now = useNow();
  const peer = view?.peer;
  const name = peerName(call.peer);
  const time = clock(now - call.acceptedAt);
  return (
    <div class="call-head">
      <span class="call-name" data-testid="in-call-name">
        {name}
      </span>
      {call.acceptedAt > 0 && view?.link !== 'joining' ? (
        <span class="figures call-time" role="timer" data-testid="elapsed">
          {time}
        </span>
      ) : (
        <span class="call-time" data-testid="connecting">
          Connecting…
        </span>
      )}
      {peer && <Bars quality={worse(peer.quality, view.own.quality)} />}
      {peer && !peer.microphone && call.via === 'app' && (
        <span class="badge" data-testid="peer-muted">
          <Icon name="micOff" size={16} /> <span>Muted</span>
        </span>
      )}
      {peer?.speaking && (
        <span class="badge talking" data-testid="peer-speaking">
          <Icon name="speaker" size={16} /> <span>Speaking</span>
        </span>
      )}
    </div>
  );
}

/** Three bars that say how good the connection is. */
function Bars({ quality }: { quality: Quality }) {
  const lit = { good: 3, fair: 2, poor: 1, unknown: 0 }[quality];
  const words = { good: 'good', fair: 'fair', poor: 'poor', unknown: 'not known yet' }[quality];
  return (
    <span
      class={`bars ${quality}`}
      role="img"
      aria-label={`Connection is ${words}`}
      title={`Connection is ${words}`}
      data-testid="quality"
      data-quality={quality}
    >
      {[1, 2, 3].map((bar) => (
        <i key={bar} class={bar <= lit ? 'lit' : ''} />
      ))}
    </span>
  );
}

function CallBanners({ call, view }: { call: Call; view: RoomView | undefined }) {
  const app = useApp();
  const { room, phase } = useValue(app.state);
  const waited = useLongEnough(view?.link === 'live' && !view.peer);
  const away = useLongEnough(phase === 'waiting' || phase === 'connecting');
  const paused = useLongEnough(view?.link === 'live' && view.peer?.paused === true);
  const warning = call.warning && <CutOffWarning warning={call.warning} />;
  if (!view || !room) return <div class="call-banners">{warning}</div>;
  const problems = view.own;
  const retry = () => {
    if (problems.microphoneProblem) void room.setMicrophone(true);
    if (problems.cameraProblem) void room.setCamera(true);
  };
  return (
    <div class="call-banners">
      {warning}
      <Trouble />
      {view.link === 'reconnecting' && (
        <Banner tone="warn" testid="reconnecting">
          Connection lost. Reconnecting…
        </Banner>
      )}
      {view.link !== 'reconnecting' && away && (
        <Banner tone="warn" testid="signal-away">
          Reconnecting to Offhook. The call goes on.
        </Banner>
      )}
      {view.link === 'live' && waited && (
        <Banner tone="info" testid="peer-away">
          Waiting for the other side to connect…
        </Banner>
      )}
      {paused && (
        <Banner tone="warn" testid="video-paused">
          Your connection is slow. Video is paused so that you can still hear.
        </Banner>
      )}
      {view.audioBlocked && (
        <button
          class="tap-to-hear"
          type="button"
          data-testid="tap-to-hear"
          onClick={() => void room.playAudio()}
        >
          <Icon name="speaker" size={20} /> Tap to hear
        </button>
      )}
      <DeviceHelp
        microphone={problems.microphoneProblem}
        camera={problems.cameraProblem}
        onRetry={retry}
        onClose={() => room.forgetProblems()}
      />
    </div>
  );
}

/** M mutes, V switches the camera, H holds, digits are keys. Not while typing or choosing. */
function useShortcuts(call: Call, own: OwnView | undefined, press: (face: string) => void): void {
  const app = useApp();
  const phone = call.via === 'phone';
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      const { room } = app.state.value;
      const target = event.target as HTMLElement;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      if (!room || !own || typing || event.repeat) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const face = faceOf(event.key);
      if (event.key === 'm') void room.setMicrophone(!own.microphone);
      else if (event.key === 'v' && !phone) void room.setCamera(!own.camera);
      else if (event.key === 'h') void app.calls.hold(!call.held);
      else if (phone && face) press(face);
    };
    addEventListener('keydown', act);
    return () => removeEventListener('keydown', act);
  });
}

/** True once `on` has lasted for a few seconds: short gaps are not worth a banner. */
function useLongEnough(on: boolean): boolean {
  const [lasted, setLasted] = useState(false);
  useEffect(() => {
    if (!on) {
      setLasted(false);
      return undefined;
    }
    const timer = setTimeout(() => setLasted(true), 2500);
    return () => clearTimeout(timer);
  }, [on]);
  return on && lasted;
}

function worse(a: Quality, b: Quality): Quality {
  const order: Quality[] = ['poor', 'fair', 'good', 'unknown'];
  return order.find((quality) => quality === a || quality === b) ?? 'unknown';
}

const NO_ROOM = new Observable<RoomView | undefined>(undefined);
