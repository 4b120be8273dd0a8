import { useApp } from './context';
import { Logo } from './icons';
import { Button } from './parts';

/** Another tab of this browser is the device's voice. */
export function Elsewhere({ inCall }: { inCall: boolean }) {
  const app = useApp();
  return (
    <main class="page centered" data-testid="elsewhere">
      <div class="card narrow">
        <Logo size={56} />
        <h1>{inCall ? 'You are in a call in another tab' : 'Offhook is open in another tab'}</h1>
        <p class="soft">
          {inCall
            ? 'The call goes on there. If you continue here, it moves to this tab.'
            : 'Calls ring there. You can use this tab instead.'}
        </p>
        <Button testid="take-over" onClick={() => app.takeOver()}>
          Use Offhook here
        </Button>
      </div>
    </main>
  );
}
