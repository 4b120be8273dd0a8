// Signing in: a number, a code, and the first time a name.

import { useEffect, useRef, useState } from 'preact/hooks';
import { RequestFailed, type CodeSent } from '../sdk';
import { countries, dialable, likelyCountry, prettyNumber } from '../app/countries';
import { preferences } from '../app/preferences';
import { signInRefused } from '../app/words';
import { useApp } from './context';
import { Logo } from './icons';
import { Button, useNow } from './parts';

/** `onDone` says whether the account has a name already. */
export function SignIn({ onDone }: { onDone: (named: boolean) => void }) {
  const [sent, setSent] = useState<CodeSent & { at: number; country: string; typed: string }>();
  return (
    <main class="page centered" data-testid="sign-in">
      <div class="brand">
        <Logo size={64} />
        <p class="brand-name">Offhook</p>
      </div>
      <div class="card narrow">
        {sent ? (
          <CodeStep
            key={sent.at}
            sent={sent}
            onBack={() => setSent(undefined)}
            onSent={setSent}
            onDone={onDone}
          />
        ) : (
          <NumberStep onSent={setSent} />
        )}
      </div>
    </main>
  );
}

type Sent = CodeSent & { at: number; country: string; typed: string };

function useCodeRequest(onSent: (sent: Sent) => void) {
  const app = useApp();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const ask = async (typed: string, country: string) => {
    setBusy(true);
    setError('');
    try {
      const sent = await app.accounts.requestCode(typed, country);
      onSent({ ...sent, at: Date.now(), country, typed });
    } catch (failed) {
      setError(signInRefused(failed, 'number'));
    } finally {
      setBusy(false);
    }
  };
  return { ask, error, setError, busy };
}

function NumberStep({ onSent }: { onSent: (sent: Sent) => void }) {
  const [country, setCountry] = useState(preferences.value.country || likelyCountry());
  const [typed, setTyped] = useState('');
  const { ask, error, setError, busy } = useCodeRequest(onSent);
  const submit = (event: Event) => {
    event.preventDefault();
    const number = dialable(typed);
    if (!number) {
      setError('Type your phone number: digits only, with or without the country code.');
      return;
    }
    preferences.update({ country });
    void ask(number, country);
  };
  const chosen = countries.find((one) => one.iso === country);
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <h1>Sign in</h1>
      <p class="soft">We send a code to your phone number to check that it is yours.</p>
      <label class="field">
        <span>Country</span>
        <select
          value={country}
          data-testid="country"
          onChange={(event) => setCountry(event.currentTarget.value)}
        >
          {countries.map((one) => (
            <option key={one.iso} value={one.iso}>
              {one.name} (+{one.code})
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Phone number</span>
        <span class="prefixed">
          {!typed.trim().startsWith('+') && (
            <span class="prefix" aria-hidden="true">
              +{chosen?.code}
            </span>
          )}
          <input
            type="tel"
            autocomplete="tel"
            inputMode="tel"
            placeholder="Your number"
            value={typed}
            aria-invalid={error !== ''}
            aria-describedby="number-error"
            data-testid="number"
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </span>
      </label>
      <ErrorLine id="number-error" text={error} />
      <Button type="submit" testid="send-code" busy={busy}>
        Send code
      </Button>
    </form>
  );
}

interface CodeStepProps {
  sent: Sent;
  onBack: () => void;
  onSent: (sent: Sent) => void;
  onDone: (named: boolean) => void;
}

function CodeStep({ sent, onBack, onSent, onDone }: CodeStepProps) {
  const app = useApp();
  const [code, setCode] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const verify = async (digits: string) => {
    setBusy(true);
    setError('');
    try {
      const user = await app.signIn(sent.number, digits);
      onDone(user.displayName !== '');
    } catch (failed) {
      setError(signInRefused(failed, 'code'));
      setBusy(false);
      input.current?.select();
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (code.length > 0) void verify(code);
    else setError('Type the code from the message.');
  };
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <h1>Enter the code</h1>
      <p class="soft">
        Sent to <strong data-testid="code-number">{prettyNumber(sent.number)}</strong>.{' '}
        <button class="link" type="button" data-testid="change-number" onClick={onBack}>
          Change number
        </button>
      </p>
      <label class="field">
        <span>Code</span>
        <input
          ref={input}
          class="code"
          inputMode="numeric"
          autocomplete="one-time-code"
          maxLength={10}
          value={code}
          aria-invalid={error !== ''}
          aria-describedby="code-error"
          data-testid="code"
          onInput={(event) => setCode(event.currentTarget.value.replace(/\D/g, ''))}
        />
      </label>
      <ErrorLine id="code-error" text={error} />
      <Button type="submit" testid="verify" busy={busy}>
        Sign in
      </Button>
      <Resend sent={sent} onSent={onSent} />
    </form>
  );
}

function Resend({ sent, onSent }: { sent: Sent; onSent: (sent: Sent) => void }) {
  const now = useNow();
  const { ask, error, busy } = useCodeRequest(onSent);
  const left = Math.ceil((sent.at + sent.retryAfter * 1000 - now) / 1000);
  return (
    <p class="soft small">
      {left > 0 ? (
        <span data-testid="resend-countdown">
          No code yet? You can ask for another one in <span class="figures">{left}</span> s.
        </span>
      ) : (
        <button
          class="link"
          type="button"
          disabled={busy}
          data-testid="resend"
          onClick={() => void ask(sent.typed, sent.country)}
        >
          Send another code
        </button>
      )}
      <ErrorLine id="resend-error" text={error} />
    </p>
  );
}

/** Shown once, to an account that has no name yet. */
export function NameStep({ onDone }: { onDone: () => void }) {
  const app = useApp();
  const [name, setName] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!name.trim()) return onDone();
    setBusy(true);
    try {
      await app.rename(name.trim());
      onDone();
    } catch (failed) {
      const bad = failed instanceof RequestFailed && failed.code === 'ERROR_CODE_BAD_REQUEST';
      setError(bad ? 'Please choose another name.' : signInRefused(failed, 'code'));
      setBusy(false);
    }
  };
  return (
    <main class="page centered" data-testid="name-step">
      <form class="card narrow stack" onSubmit={(event) => void submit(event)} noValidate>
        <Logo size={56} />
        <h1>What should people see?</h1>
        <p class="soft">This name appears when you call somebody. You can change it later.</p>
        <label class="field">
          <span>Your name</span>
          <input
            autocomplete="name"
            maxLength={64}
            value={name}
            data-testid="display-name"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <ErrorLine id="name-error" text={error} />
        <Button type="submit" testid="save-name" busy={busy}>
          {name.trim() ? 'Continue' : 'Continue without a name'}
        </Button>
      </form>
    </main>
  );
}

export function ErrorLine({ id, text }: { id: string; text: string }) {
  return (
    <span id={id} class="error" role="alert" data-testid={id}>
      {text}
    </span>
  );
}
