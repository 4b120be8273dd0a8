import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { App } from '../app/app';

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('drawn outside of the app');
  return app;
}
