// Small pieces that every screen uses.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Peer } from '../sdk';
import { peerName } from '../app/words';
import { Icon, type IconName } from './icons';

interface ButtonProps {
  children: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'quiet' | 'danger';
  type?: 'button' | 'submit';
  disabled?: boolean;
  busy?: boolean;
  testid: string;
  /** The id of what should be read along with it. */
  describedBy?: string;
  onClick?: () => void;
}

export function Button(props: ButtonProps) {
  const { children, icon, kind = 'primary', type = 'button', busy, testid, onClick } = props;
  return (
    <button
      class={`button ${kind}`}
      type={type}
      disabled={props.disabled || busy}
      aria-busy={busy}
      aria-describedby={props.describedBy}
      data-testid={testid}
      onClick={onClick}
    >
      {icon && <Icon name={icon} size={20} />}
      <span>{children}</span>
    </button>
  );
}

interface RoundProps {
  icon: IconName;
  label: string;
  testid: string;
  tone?: 'plain' | 'on' | 'off' | 'good' | 'bad';
  caption?: string;
  pressed?: boolean;
  expanded?: boolean;
  autoFocus?: boolean;
  disabled?: boolean;
  onClick: () => void;
}

/** A round button with an icon; `caption` is shown below it. */
export function Round(props: RoundProps) {
  const { icon, label, testid, tone = 'plain', caption, pressed, expanded, onClick } = props;
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (props.autoFocus) button.current?.focus();
  }, [props.autoFocus]);
  return (
    <span class="round-place">
      <button
        ref={button}
        class={`round ${tone}`}
        type="button"
        aria-label={label}
        aria-pressed={pressed}
        aria-expanded={expanded}
        title={label}
        disabled={props.disabled}
        data-testid={testid}
        onClick={onClick}
      >
        <Icon name={icon} />
      </button>
      {caption && (
        <span class="round-caption" aria-hidden="true">
          {caption}
        </span>
      )}
    </span>
  );
}

/** Initials on a colour of the person's own, always the same for one number. */
export function Avatar({ peer, size = 'small' }: { peer: Peer; size?: 'small' | 'large' }) {
  const words = peer.displayName.trim().split(/\s+/).filter(Boolean);
  const initials = [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map((word) => (word ? [...word][0] : ''))
    .join('')
    .toUpperCase();
  let hash = 7;
  for (const c of peer.number || peerName(peer)) hash = (hash * 31 + c.charCodeAt(0)) % 3600;
  return (
    <span class={`avatar ${size}`} style={{ '--hue': String(hash % 360) }} aria-hidden="true">
      {initials || <Icon name="user" size={size === 'large' ? 56 : 22} />}
    </span>
  );
}

/** Names and values, one to a line. */
export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(([testid, name, value]) => (
        <div key={testid}>
          <dt>{name}</dt>
          <dd class="figures" data-testid={testid}>
            {value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export type Fact = [testid: string, name: string, value: string];

interface BannerProps {
  tone: 'info' | 'warn' | 'bad';
  testid: string;
  children: ComponentChildren;
  action?: ComponentChildren;
  onClose?: () => void;
}

export function Banner({ tone, testid, children, action, onClose }: BannerProps) {
  return (
    <div class={`banner ${tone}`} role="status" data-testid={testid}>
      <Icon name="alert" size={20} />
      <div class="banner-text">{children}</div>
      {action}
      {onClose && (
        <button class="icon-button" type="button" aria-label="Dismiss" onClick={onClose}>
          <Icon name="close" size={18} />
        </button>
      )}
    </div>
  );
}

/** The current time, renewed every second while `running`. */
export function useNow(running = true): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

/** Keeps Tab inside an element while it is on the screen. */
export function useFocusTrap<T extends HTMLElement>() {
  const place = useRef<T>(null);
  useEffect(() => {
    const trap = (event: KeyboardEvent) => {
      if (event.key !== 'Tab' || !place.current) return;
      const stops = [...place.current.querySelectorAll<HTMLElement>('button, select, input, a')];
      const usable = stops.filter((stop) => !stop.hasAttribute('disabled'));
      const [first, last] = [usable[0], usable.at(-1)];
      const outside = !place.current.contains(document.activeElement);
      if (event.shiftKey && (outside || document.activeElement === first)) {
        event.preventDefault();
        last?.focus();
      } else if (!event.shiftKey && (outside || document.activeElement === last)) {
        event.preventDefault();
        first?.focus();
      }
    };
    addEventListener('keydown', trap);
    return () => removeEventListener('keydown', trap);
  }, []);
  return place;
}
