// Dialing: a number, how it is to be reached, and for the phone network its price before the call.

import { useEffect, useRef, useState } from 'preact/hooks';
import { pasted, phoneDialable } from '../app/countries';
import { faceOf } from '../app/keys';
import { useValue } from '../app/observable';
import { useApp } from './context';
import { Icon } from './icons';
import { Keypad } from './Keypad';
import { Button } from './parts';
import { PhoneActions } from './PhoneActions';
import { ErrorLine } from './SignIn';

export function DialPad() {
  const app = useApp();
  const { typed, via } = useValue(app.dialer.state);
  const [error, setError] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => setError(''), [typed, via]);
  const { insert, erase } = useTyping(field);
  useKeyboard(insert, erase, () => typed && form.current?.requestSubmit());
  const callApp = (video: boolean) => {
    const { number } = app.dialer;
    if (number) app.call(number, video);
    else setError(phoneDialable(typed) ? SHORT : MISSING);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (via === 'phone') app.callPhone();
    else callApp(false);
  };
  return (
    <form ref={form} class="dialpad" onSubmit={submit} noValidate>
      <h1 id="dial-title" class="unseen">Make a call</h1>
      <WayChoice />
      <NumberField field={field} invalid={error !== ''} onErase={erase} />
      {via === 'app' && <ErrorLine id="dial-error" text={error} />}
      <Keypad label="Keys to dial with" plus onPress={insert} />
      {via === 'phone' ? (
        <PhoneActions />
      ) : (
        <div class="pair">
          <Button type="submit" icon="phone" testid="call-audio">
            Call
          </Button>
          <Button kind="quiet" icon="video" testid="call-video" onClick={() => callApp(true)}>
            Video call
          </Button>
        </div>
      )}
    </form>
  );
}

const MISSING = 'Type the number to call, for example +1 202 555 0123.';
const SHORT = 'Short numbers, such as those for emergencies, are phone calls: choose “Phone call”.';

/** Over the app or over the phone network: never decided silently. */
function WayChoice() {
  const app = useApp();
  const { via } = useValue(app.dialer.state);
  const ways = [
    ['app', 'App call', 'Free, on Offhook'],
    ['phone', 'Phone call', 'Any phone, at a price'],
  ] as const;
  return (
    <fieldset class="ways">
      <legend class="unseen">How to call</legend>
      {ways.map(([way, name, about]) => (
        <label key={way} class={`way ${via === way ? 'chosen' : ''}`}>
          <input
            type="radio"
            name="via"
            class="unseen"
            checked={via === way}
            data-testid={`via-${way}`}
            onChange={() => app.dialer.choose(way)}
          />
          <strong>{name}</strong>
          <span class="way-about">{about}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface NumberFieldProps {
  field: { current: HTMLInputElement | null };
  invalid: boolean;
  onErase: () => void;
}

function NumberField({ field, invalid, onErase }: NumberFieldProps) {
  const app = useApp();
  const { typed, via } = useValue(app.dialer.state);
  const paste = (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData('text') ?? '';
    const input = event.currentTarget as HTMLInputElement;
    event.preventDefault();
    replace(input, pasted(text));
    app.dialer.type(input.value);
  };
  const sound = (event: KeyboardEvent) => {
    const face = event.ctrlKey || event.metaKey || event.altKey ? '' : faceOf(event.key);
    if (face) app.tapped(face);
  };
  return (
    <div class="field number-field">
      <input
        aria-label="Phone number"
        ref={field}
        class="dial"
        type="tel"
        inputMode={TOUCH ? 'none' : 'tel'}
        autocomplete="off"
        placeholder="+1 202 555 0123"
        value={typed}
        aria-invalid={invalid}
        aria-describedby={via === 'app' ? 'dial-error' : 'dial-notice'}
        data-testid="dial-number"
        onKeyDown={sound}
        onPaste={paste}
        onInput={(event) => app.dialer.type(event.currentTarget.value)}
      />
      {typed && (
        <button
          class="icon-button erase"
          type="button"
          aria-label="Delete the last digit"
          title="Delete the last digit"
          data-testid="erase"
          onClick={onErase}
        >
          <Icon name="erase" size={22} />
        </button>
      )}
    </div>
  );
}

/** Types where the caret is, as the keyboard does. */
function useTyping(field: { current: HTMLInputElement | null }) {
  const app = useApp();
  const insert = (face: string) => {
    const input = field.current;
    if (!input) return;
    app.tapped(face);
    replace(input, face);
    app.dialer.type(input.value);
  };
  const erase = () => {
    const input = field.current;
    if (!input) return;
    const { selectionStart: start, selectionEnd: end } = input;
    if (start !== null && start === end && start > 0) input.setSelectionRange(start - 1, start);
    replace(input, '');
    app.dialer.type(input.value);
  };
  return { insert, erase };
}

function replace(input: HTMLInputElement, text: string): void {
  const end = input.value.length;
  input.setRangeText(text, input.selectionStart ?? end, input.selectionEnd ?? end, 'end');
}

/** Digits typed anywhere on the page are dialed; not while something else wants the keys. */
function useKeyboard(insert: (face: string) => void, erase: () => void, call: () => unknown): void {
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      if (event.ctrlKey || event.metaKey || event.altKey || (typing && !isWay(target))) return;
      const face = event.key === '+' ? '+' : faceOf(event.key);
      if (face) insert(face);
      else if (event.key === 'Backspace') erase();
      else if (event.key === 'Enter' && target === document.body) call();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', act);
    return () => removeEventListener('keydown', act);
  });
}

function isWay(target: HTMLElement): boolean {
  return target instanceof HTMLInputElement && target.type === 'radio';
}

/** With keys on the screen, a finger needs no second keyboard; the field still takes a paste. */
const TOUCH = matchMedia('(pointer: coarse)').matches;
