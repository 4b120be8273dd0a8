// The row of buttons during a call. A call over the phone network has keys and hold in place of
// camera and screen.

import type { Call } from '../app/call';
import { useValue } from '../app/observable';
import type { RoomView } from '../media/room';
import { useApp } from './context';
import { Round } from './parts';

export type Panel = 'none' | 'devices' | 'keys';

interface ControlsProps {
  call: Call;
  view: RoomView | undefined;
  panel: Panel;
  onPanel: (panel: Panel) => void;
}

export function Controls({ call, view, panel, onPanel }: ControlsProps) {
  const app = useApp();
  const { room } = useValue(app.state);
  const own = view?.own;
  const waiting = !room || view?.link === 'joining';
  const toggle = (one: Panel) => onPanel(panel === one ? 'none' : one);
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
      {call.via === 'phone' ? (
        <PhoneButtons call={call} keys={panel === 'keys'} onKeys={() => toggle('keys')} />
      ) : (
        <PictureButtons view={view} waiting={waiting} />
      )}
      <Round
        icon="sliders"
        tone={panel === 'devices' ? 'on' : 'plain'}
        label={call.via === 'phone' ? 'Microphone and speaker' : 'Microphone, camera and speaker'}
        expanded={panel === 'devices'}
        testid="open-devices"
        onClick={() => toggle('devices')}
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

interface PhoneButtonsProps {
  call: Call;
  keys: boolean;
  onKeys: () => void;
}

function PhoneButtons({ call, keys, onKeys }: PhoneButtonsProps) {
  const app = useApp();
  return (
    <>
      <Round
        icon="keypad"
        tone={keys ? 'on' : 'plain'}
        label="Keypad"
        expanded={keys}
        testid="open-keys"
        onClick={onKeys}
      />
      <Round
        icon={call.held ? 'play' : 'pause'}
        tone={call.held ? 'off' : 'plain'}
        label={call.held ? 'Take back from hold (H)' : 'Hold (H)'}
        pressed={call.held}
        disabled={call.stage !== 'accepted'}
        testid="toggle-hold"
        onClick={() => void app.calls.hold(!call.held)}
      />
    </>
  );
}

function PictureButtons({ view, waiting }: { view: RoomView | undefined; waiting: boolean }) {
  const app = useApp();
  const { room } = useValue(app.state);
  const own = view?.own;
  const canShare = typeof navigator.mediaDevices?.getDisplayMedia === 'function';
  return (
    <>
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
    </>
  );
}
