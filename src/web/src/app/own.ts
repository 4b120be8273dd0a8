// Whether this side is muted and has its camera on: survives a reload of the page, not the end of
// the tab.

const OWN_KEY = 'offhook.call';

export interface Own {
  microphone: boolean;
  camera: boolean;
}

export function remember(callId: string, own: Own): void {
  sessionStorage.setItem(OWN_KEY, JSON.stringify({ callId, ...own }));
}

export function recall(callId: string): Own | undefined {
  try {
    const own = JSON.parse(sessionStorage.getItem(OWN_KEY) ?? '{}') as Own & { callId?: string };
    return own.callId === callId ? own : undefined;
  } catch {
    return undefined;
  }
}
