// Who I am, where I am signed in, how it rings, which devices are used.

import { useEffect, useState } from 'preact/hooks';
import type { Device } from '../sdk';
import { prettyNumber } from '../app/countries';
import { useValue } from '../app/observable';
import { preferences, type Ringtone } from '../app/preferences';
import { when } from '../app/times';
import { signInRefused } from '../app/words';
import { BalanceFacts } from './Balance';
import { useApp } from './context';
import { DevicePickers } from './DevicePanel';
import { Icon } from './icons';
import { Button } from './parts';
import { ErrorLine } from './SignIn';

export function Settings() {
  const app = useApp();
  const [leaving, setLeaving] = useState(false);
  return (
    <main class="page settings" data-testid="settings">
      <header class="top">
        <a class="icon-button" href="#" aria-label="Back" data-testid="close-settings">
          <Icon name="back" />
        </a>
        <h1>Settings</h1>
      </header>
      <section class="card stack" aria-labelledby="profile-title">
        <h2 id="profile-title">You</h2>
        <Profile />
      </section>
      <section class="card stack" aria-labelledby="balance-title">
        <h2 id="balance-title">Balance for phone calls</h2>
        <BalanceFacts />
      </section>
      <section class="card stack" aria-labelledby="ring-title">
        <h2 id="ring-title">When somebody calls</h2>
        <Ringing />
      </section>
      <section class="card stack" aria-labelledby="av-title">
        <h2 id="av-title">Sound and picture</h2>
        <DevicePickers />
        <KeyTones />
      </section>
      <section class="card stack" aria-labelledby="devices-title">
        <h2 id="devices-title">Where you are signed in</h2>
        <Devices />
      </section>
      <section class="card stack" aria-labelledby="leave-title">
        <h2 id="leave-title">Sign out</h2>
        <p class="soft">Calls will not ring here any more. Your other devices stay signed in.</p>
        <div>
          <Button
            kind="danger"
            testid="sign-out"
            busy={leaving}
            onClick={() => {
              setLeaving(true);
              location.hash = '';
              void app.signOut();
            }}
          >
            Sign out of this device
          </Button>
        </div>
      </section>
    </main>
  );
}

function Profile() {
  const app = useApp();
  const { user } = useValue(app.state);
  const [name, setName] = useState(user?.displayName ?? '');
  const [error, setError] = useState('');
  const [saved, setSaved] = useState(false);
  const [busy, setBusy] = useState(false);
  const save = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await app.rename(name.trim());
      setSaved(true);
    } catch (failed) {
      setError(signInRefused(failed, 'code'));
    }
    setBusy(false);
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <p class="soft">
        Your number is <strong class="figures">{prettyNumber(user?.number ?? '')}</strong>.
      </p>
      <label class="field">
        <span>Name that people see when you call</span>
        <input
          value={name}
          maxLength={64}
          autocomplete="name"
          data-testid="settings-name"
          onInput={(event) => {
            setName(event.currentTarget.value);
            setSaved(false);
          }}
        />
      </label>
      <ErrorLine id="settings-name-error" text={error} />
      <div class="row">
        <Button
          type="submit"
          testid="settings-save-name"
          busy={busy}
          disabled={name.trim() === user?.displayName}
        >
          Save
        </Button>
        <span class="soft" role="status" data-testid="settings-saved">
          {saved ? 'Saved' : ''}
        </span>
      </div>
    </form>
  );
}

const RINGTONES: [Ringtone, string][] = [
  ['meadow', 'Meadow'],
  ['chimes', 'Chimes'],
  ['classic', 'Classic bell'],
  ['silent', 'Silent'],
];

function Ringing() {
  const app = useApp();
  const { ringtone } = useValue(preferences);
  useEffect(() => () => app.tones.stop(), [app]);
  const pick = (tone: Ringtone) => {
    preferences.update({ ringtone: tone });
    app.tones.sample(tone);
  };
  return (
    <>
      <fieldset class="choices">
        <legend>Ringtone</legend>
        {RINGTONES.map(([tone, name]) => (
          <label key={tone} class="choice">
            <input
              type="radio"
              name="ringtone"
              checked={ringtone === tone}
              data-testid={`ringtone-${tone}`}
              onChange={() => pick(tone)}
            />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <Notes />
    </>
  );
}

function KeyTones() {
  const { keyTones } = useValue(preferences);
  return (
    <label class="choice">
      <input
        type="checkbox"
        checked={keyTones}
        data-testid="key-tones"
        onChange={(event) => preferences.update({ keyTones: event.currentTarget.checked })}
      />
      <span>Keys of the dial pad make a sound</span>
    </label>
  );
}

/** Notes of the system for calls that come while another page is in front. */
function Notes() {
  const supported = 'Notification' in globalThis && isSecureContext;
  const [state, setState] = useState(supported ? Notification.permission : 'denied');
  if (!supported) return null;
  if (state === 'granted') {
    return <p class="soft">Calls show a notification while you look at something else.</p>;
  }
  if (state === 'denied') {
    return (
      <p class="soft">
        Notifications are blocked for this page. You can allow them in the browser’s settings.
      </p>
    );
  }
  return (
    <div>
      <Button
        kind="quiet"
        icon="bell"
        testid="allow-notes"
        onClick={() => void Notification.requestPermission().then(setState)}
      >
        Show notifications
      </Button>
    </div>
  );
}

function Devices() {
  const app = useApp();
  const [devices, setDevices] = useState<Device[]>();
  const [error, setError] = useState('');
  const load = () => {
    setError('');
    app.devices().then(setDevices, (failed: unknown) => setError(signInRefused(failed, 'code')));
  };
  useEffect(load, [app]);
  const revoke = async (id: string) => {
    try {
      await app.revokeDevice(id);
    } catch (failed) {
      setError(signInRefused(failed, 'code'));
      return;
    }
    load();
  };
  return (
    <>
      <ErrorLine id="devices-error" text={error} />
      <ul class="devices" data-testid="devices">
        {devices?.map((device) => (
          <DeviceLine key={device.id} device={device} onRevoke={() => void revoke(device.id)} />
        ))}
      </ul>
    </>
  );
}

function DeviceLine({ device, onRevoke }: { device: Device; onRevoke: () => void }) {
  const [sure, setSure] = useState(false);
  const seen = device.lastSeenAt || device.createdAt;
  return (
    <li data-testid="device">
      <Icon name="laptop" />
      <span class="device-words">
        <strong>{device.name || 'Unnamed device'}</strong>
        <span class="soft small">
          {device.current ? 'This device' : `Last seen ${when(seen)}`}
        </span>
      </span>
      {!device.current && !sure && (
        <Button kind="quiet" testid="revoke" onClick={() => setSure(true)}>
          Sign out
        </Button>
      )}
      {sure && (
        <span class="row">
          <Button kind="danger" testid="revoke-sure" onClick={onRevoke}>
            Sign it out
          </Button>
          <Button kind="quiet" testid="revoke-not" onClick={() => setSure(false)}>
            Keep
          </Button>
        </span>
      )}
    </li>
  );
}
