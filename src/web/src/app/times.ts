// Times and spans as people tell them.

export function waiting(seconds: number): string {
  if (seconds <= 0) return 'a moment';
  if (seconds < 90) return `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}

/** 3:07 or 1:02:09. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "11 min 54 s": cannot be taken for a time of day. */
export function brief(ms: number): string {
  const total = Math.max(1, Math.round(ms / 1000));
  const units: [number, string][] = [
    [Math.floor(total / 3600), 'h'],
    [Math.floor(total / 60) % 60, 'min'],
    [total % 60, 's'],
  ];
  const parts = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`);
  return parts.slice(0, 2).join(' ');
}

/** "2 minutes 5 seconds", for sentences and screen readers. */
export function spoken(ms: number): string {
  const total = Math.max(1, Math.round(ms / 1000));
  const units: [number, string][] = [
    [Math.floor(total / 3600), 'hour'],
    [Math.floor(total / 60) % 60, 'minute'],
    [total % 60, 'second'],
  ];
  const parts = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}${n > 1 ? 's' : ''}`);
  return parts.slice(0, 2).join(' ');
}

/** Short: today the time, this week the day, before that the date. */
export function when(ms: number, now = Date.now()): string {
  const date = new Date(ms);
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (ms >= midnight) {
    return new Intl.DateTimeFormat(undefined, { timeStyle: 'short' }).format(date);
  }
  if (ms >= midnight - DAY_MS) return 'Yesterday';
  if (ms >= midnight - 6 * DAY_MS) {
    return new Intl.DateTimeFormat(undefined, { weekday: 'long' }).format(date);
  }
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }).format(date);
}

const DAY_MS = 86_400_000;
