// Keys for the other side's machine, with what was pressed so far.

import { useEffect } from 'preact/hooks';
import { useValue } from '../app/observable';
import { useApp } from './context';
import { Icon } from './icons';
import { Keypad } from './Keypad';

interface KeyPanelProps {
  callId: string;
  onClose: () => void;
}

export function KeyPanel({ callId, onClose }: KeyPanelProps) {
  const app = useApp();
  const pressed = useValue(app.keys.state);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && onClose();
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, [onClose]);
  return (
    <div class="panel key-panel" role="dialog" aria-label={KEYS} data-testid="key-panel">
      <div class="panel-head">
        <output class="pressed figures" aria-label="Pressed so far" data-testid="pressed">
          {pressed.callId === callId ? pressed.faces.slice(-SHOWN) : ''}
        </output>
        <button
          class="icon-button"
          type="button"
          aria-label="Close"
          data-testid="close-keys"
          onClick={onClose}
        >
          <Icon name="close" size={20} />
        </button>
      </div>
      <Keypad label={KEYS} onPress={(face) => app.press(face)} />
    </div>
  );
}

const KEYS = 'Keys for this call';
/** As many as fit one line. */
const SHOWN = 14;
