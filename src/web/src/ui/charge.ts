import { useEffect, useState } from 'preact/hooks';
import type { Charge } from '../sdk';
import { useApp } from './context';

export interface ChargeView {
  charge: Charge | undefined;
  /** Why there is none: not yet, nothing was charged, or it could not be asked for. */
  missing: 'asking' | 'none' | 'failed';
}

/** What a call costs or did cost; asked for again every so often while it is not closed. */
export function useCharge(callId: string, wanted = true, everyMs = 3_000): ChargeView {
  const app = useApp();
  const [view, setView] = useState<ChargeView>(ASKING);
  useEffect(() => {
    setView(ASKING);
    if (!wanted || !callId) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const ask = () =>
      app.phone.charge(callId).then(
        (charge) => {
          if (over) return;
          setView({ charge, missing: 'asking' });
          if (!charge.closed) timer = setTimeout(() => void ask(), everyMs);
        },
        (error: { code?: string }) => {
          if (over) return;
          const none = error.code === 'ERROR_CODE_NO_SUCH_CALL';
          setView({ charge: undefined, missing: none ? 'none' : 'failed' });
        },
      );
    void ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [app, callId, wanted, everyMs]);
  return view;
}

const ASKING: ChargeView = { charge: undefined, missing: 'asking' };
