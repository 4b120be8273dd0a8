// The twelve keys of a telephone, for dialing and during a call.

import { useRef } from 'preact/hooks';
import { FACES } from '../app/keys';

const LETTERS: Record<string, string> = {
  2: 'ABC',
  3: 'DEF',
  4: 'GHI',
  5: 'JKL',
  6: 'MNO',
  7: 'PQRS',
  8: 'TUV',
  9: 'WXYZ',
};

const SPOKEN: Record<string, string> = { '*': 'Star', '#': 'Pound' };

interface KeypadProps {
  label: string;
  onPress: (face: string) => void;
  /** Whether 0 held down is a plus. */
  plus?: boolean;
}

export function Keypad({ label, onPress, plus = false }: KeypadProps) {
  return (
    <div class="keypad" role="group" aria-label={label} data-testid="keypad">
      {[...FACES].map((face) => (
        <Key key={face} face={face} held={plus && face === '0' ? '+' : ''} onPress={onPress} />
      ))}
    </div>
  );
}

interface KeyProps {
  face: string;
  /** What it is when held down; may be empty. */
  held: string;
  onPress: (face: string) => void;
}

function Key({ face, held, onPress }: KeyProps) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const wasHeld = useRef(false);
  const down = () => {
    wasHeld.current = false;
    if (!held) return;
    timer.current = setTimeout(() => {
      wasHeld.current = true;
      onPress(held);
    }, HOLD_MS);
  };
  const up = () => clearTimeout(timer.current);
  const click = () => {
    up();
    if (!wasHeld.current) onPress(face);
    wasHeld.current = false;
  };
  const letters = LETTERS[face] ?? '';
  const name = SPOKEN[face] ?? [face, ...letters].join(' ');
  return (
    <button
      class="key"
      type="button"
      aria-label={held ? `${name}, hold for plus` : name}
      data-testid={`key-${face}`}
      onPointerDown={down}
      onPointerUp={up}
      onPointerLeave={up}
      onPointerCancel={up}
      onContextMenu={(event) => event.preventDefault()}
      onClick={click}
    >
      <span class="key-face">{face === '*' ? '∗' : face}</span>
      <span class="key-letters" aria-hidden="true">
        {held || letters}
      </span>
    </button>
  );
}

const HOLD_MS = 500;
