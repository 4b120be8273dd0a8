import type { Problem } from '../media/local';
import { Banner } from './parts';

interface DeviceHelpProps {
  microphone: Problem | undefined;
  camera: Problem | undefined;
  onRetry?: () => void;
  onClose?: () => void;
}

/** What is wrong with this side's devices, and what to do about it. The call goes on meanwhile. */
export function DeviceHelp({ microphone, camera, onRetry, onClose }: DeviceHelpProps) {
  if (!microphone && !camera) return null;
  const retry = onRetry && (
    <button class="link" type="button" data-testid="device-retry" onClick={onRetry}>
      Try again
    </button>
  );
  return (
    <Banner tone="warn" testid="device-problem" action={retry} onClose={onClose}>
      {words(microphone, camera)}
    </Banner>
  );
}

function words(microphone: Problem | undefined, camera: Problem | undefined): string {
  if (microphone && microphone === camera) {
    const either = microphone === 'missing' ? 'camera or microphone' : 'camera and microphone';
    return HELP[microphone](either, 'You can still listen.');
  }
  const first = microphone && HELP[microphone]('microphone', 'You can still listen.');
  const second = camera && HELP[camera]('camera', 'You can still talk.');
  return [first, second].filter(Boolean).join(' ');
}

const HELP: Record<Problem, (what: string, still: string) => string> = {
  denied: (what, still) =>
    `The browser does not let Offhook use your ${what}. Allow it beside the address, ` +
    `then try again. ${still}`,
  missing: (what, still) => `No ${what} was found. ${still} Connect one, then try again.`,
  busy: (what, still) =>
    `Offhook can’t open your ${what}; another program may be using it. ${still}`,
  insecure: (what, still) =>
    `Browsers allow the ${what} on secure pages only. Use https, or localhost. ${still}`,
};
