// Choosing microphone, camera and speaker: in the settings and during a call.

import { useEffect, useState } from 'preact/hooks';
import { useValue } from '../app/observable';
import { preferences } from '../app/preferences';
import { useApp } from './context';
import { Icon, type IconName } from './icons';
import { useFocusTrap } from './parts';

interface Kind {
  kind: MediaDeviceKind;
  key: 'microphone' | 'camera' | 'speaker';
  name: string;
  icon: IconName;
}

const KINDS: Kind[] = [
  { kind: 'audioinput', key: 'microphone', name: 'Microphone', icon: 'mic' },
  { kind: 'videoinput', key: 'camera', name: 'Camera', icon: 'video' },
  { kind: 'audiooutput', key: 'speaker', name: 'Speaker', icon: 'speaker' },
];

const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;

interface DevicePanelProps {
  /** Whether this call has pictures. */
  camera?: boolean;
  onClose: () => void;
}

export function DevicePanel({ camera = true, onClose }: DevicePanelProps) {
  const place = useFocusTrap<HTMLDivElement>();
  useEffect(() => {
    place.current?.querySelector('select')?.focus();
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && onClose();
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, [place, onClose]);
  return (
    <div
      ref={place}
      class="panel"
      role="dialog"
      aria-label={camera ? 'Microphone, camera and speaker' : 'Microphone and speaker'}
      data-testid="device-panel"
    >
      <div class="panel-head">
        <h2>{camera ? 'Sound and picture' : 'Sound'}</h2>
        <button
          class="icon-button"
          type="button"
          aria-label="Close"
          data-testid="close-devices"
          onClick={onClose}
        >
          <Icon name="close" size={20} />
        </button>
      </div>
      <DevicePickers camera={camera} />
    </div>
  );
}

export function DevicePickers({ camera = true }: { camera?: boolean }) {
  const app = useApp();
  const chosen = useValue(preferences);
  const { room } = useValue(app.state);
  const devices = useDevices();
  const kinds = KINDS.filter(
    ({ key }) => (key !== 'speaker' || canChooseSpeaker) && (key !== 'camera' || camera),
  );
  const pick = (kind: Kind, id: string) => {
    preferences.update({ [kind.key]: id });
    // Sound has a device called "default"; of cameras the first one listed is it.
    const first = devices.find((one) => one.kind === kind.kind)?.deviceId;
    const fallback = kind.key === 'camera' ? first : 'default';
    const target = id || fallback;
    if (target) void room?.useDevice(kind.kind, target);
  };
  return (
    <div class="stack">
      {kinds.map((kind) => {
        const list = devices.filter((one) => one.kind === kind.kind && one.deviceId);
        const known = list.some((one) => one.deviceId === chosen[kind.key]);
        return (
          <label class="field" key={kind.key}>
            <span>{kind.name}</span>
            <select
              value={known ? chosen[kind.key] : ''}
              data-testid={`pick-${kind.key}`}
              onChange={(event) => pick(kind, event.currentTarget.value)}
            >
              <option value="">System default</option>
              {list
                .filter((one) => one.deviceId !== 'default')
                .map((one, i) => (
                  <option key={one.deviceId} value={one.deviceId}>
                    {one.label || `${kind.name} ${i + 1}`}
                  </option>
                ))}
            </select>
          </label>
        );
      })}
    </div>
  );
}

function useDevices(): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices;
    if (!media) return undefined;
    const look = () =>
      void media.enumerateDevices().then(setDevices, () => setDevices([]));
    look();
    media.addEventListener('devicechange', look);
    return () => media.removeEventListener('devicechange', look);
  }, []);
  return devices;
}
