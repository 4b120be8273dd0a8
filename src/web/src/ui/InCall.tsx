// Two people talk.

import { useEffect, useState } from 'preact/hooks';
import type { Call } from '../app/calls';
import { Observable, useValue } from '../app/observable';
import { clock, peerName } from '../app/words';
import type { OwnView, Quality, RoomView } from '../media/room';
import { useApp } from './context';
import { DeviceHelp } from './DeviceHelp';
import { DevicePanel } from './DevicePanel';
import { Icon } from './icons';
import { Avatar, Banner, Round, useNow } from './parts';
import { Sound, VideoTile } from './VideoTile';

export function InCall({ call }: { call: Call }) {
  const app = useApp();
  const { room } = useValue(app.state);
  const view = useValue<RoomView | undefined>(room?.view ?? NO_ROOM);
  const [panel, setPanel] = useState(false);
  useShortcuts(view?.own);
  const joined = view?.peer !== undefined;
  return (
    <main
      class={`stage in-call ${view?.peer?.camera || view?.peer?.screen ? 'with-video' : ''}`}
      data-testid="in-call"
      data-link={view?.link ?? 'joining'}
      data-joined={joined}
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
        <CallBanners view={view} />
      </header>
      {panel && <DevicePanel onClose={() => setPanel(false)} />}
      <Controls view={view} panel={panel} onPanel={() => setPanel(!panel)} />
    </main>
  );
}

function RemoteSide({ call, view }: { call: Call; view: RoomView | undefined }) {
  const peer = view?.peer;
  const name = peerName(call.peer);
  const big = peer?.screen ?? peer?.camera;
  return (
    <>
      {peer?.audio.map((track) => <Sound key={track.sid} track={track} />)}
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
      {peer && !peer.microphone && (
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

function CallBanners({ view }: { view: RoomView | undefined }) {
  const app = useApp();
  const { room, phase } = useValue(app.state);
  const waited = useLongEnough(view?.link === 'live' && !view.peer);
  const away = useLongEnough(phase === 'waiting' || phase === 'connecting');
  if (!view || !room) return null;
  const problems = view.own;
  const retry = () => {
    if (problems.microphoneProblem) void room.setMicrophone(true);
    if (problems.cameraProblem) void room.setCamera(true);
  };
  return (
    <div class="call-banners">
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

interface ControlsProps {
  view: RoomView | undefined;
  panel: boolean;
  onPanel: () => void;
}

function Controls({ view, panel, onPanel }: ControlsProps) {
  const app = useApp();
  const { room } = useValue(app.state);
  const own = view?.own;
  const waiting = !room || view?.link === 'joining';
  const canShare = typeof navigator.mediaDevices?.getDisplayMedia === 'function';
  return (
    <div class="controls" role="toolbar" aria-label="Call controls">
      <Round
        icon={own?.microphone ? 'mic' : 'micOff'}
        tone={own?.microphone ? 'plain' : 'off'}
        label={own?.microphone ? 'Mute (M)' : 'Unmute (M)'}
        pressed={!own?.microphone}
        disabled={waiting}
        testid="toggle-mic"
        onClick={() => void room?.setMicrophone(!own?.microphone)}
      />
      <Round
        icon={own?.camera ? 'video' : 'videoOff'}
        tone={own?.camera ? 'plain' : 'off'}
        label={own?.camera ? 'Turn camera off (V)' : 'Turn camera on (V)'}
        pressed={!own?.camera}
        disabled={waiting}
        testid="toggle-camera"
        onClick={() => void room?.setCamera(!own?.camera)}
      />
      {canShare && (
        <Round
          icon="screen"
          tone={own?.screen ? 'on' : 'plain'}
          label={own?.screen ? 'Stop sharing the screen' : 'Share the screen'}
          pressed={own?.screen ?? false}
          disabled={waiting}
          testid="toggle-screen"
          onClick={() => void room?.setScreen(!own?.screen)}
        />
      )}
      <Round
        icon="sliders"
        tone={panel ? 'on' : 'plain'}
        label="Microphone, camera and speaker"
        expanded={panel}
        testid="open-devices"
        onClick={onPanel}
      />
      <Round
        icon="hangUp"
        tone="bad"
        label="Hang up"
        testid="hang-up"
        onClick={() => app.calls.leave()}
      />
    </div>
  );
}

/** M mutes, V switches the camera. Not while typing or choosing. */
function useShortcuts(own: OwnView | undefined): void {
  const app = useApp();
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      const { room } = app.state.value;
      const target = event.target as HTMLElement;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      if (!room || !own || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'm') void room.setMicrophone(!own.microphone);
      if (event.key === 'v') void room.setCamera(!own.camera);
    };
    addEventListener('keydown', act);
    return () => removeEventListener('keydown', act);
  }, [app, own]);
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
