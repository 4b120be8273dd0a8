import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { App } from '../app/app';
import type { CallsState } from '../app/calls';
import { useValue } from '../app/observable';

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('drawn outside of the app');
  return app;
}

/** The calls, with names that the history knows where the server tells none. */
export function useNamedCalls(): CallsState {
  const app = useApp();
  const { current, ended } = useValue(app.calls.state);
  useValue(app.history.state);
  return {
    current: current && { ...current, peer: app.history.known(current.peer) },
    ended: ended && { ...ended, peer: app.history.known(ended.peer) },
  };
}
