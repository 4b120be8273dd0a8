// The app's own icons: 24 by 24, round strokes, drawn in the colour of the text around them.

import type { JSX } from 'preact';

const HANDSET =
  'M6.6 3.6 9 3.2l1.9 4.6-1.9 1.9a12.5 12.5 0 0 0 5.3 5.3l1.9-1.9 4.6 1.9-.4 2.4' +
  'a2.6 2.6 0 0 1-2.6 2.2C10.4 19.6 4.4 13.6 4.4 6.2a2.6 2.6 0 0 1 2.2-2.6Z';

const CAMERA = 'M4.5 6.5h8.5a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H4.5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2Z';

const PATHS = {
  phone: <path d={HANDSET} />,
  hangUp: <path d={HANDSET} transform="rotate(135 12 12)" />,
  video: (
    <>
      <path d={CAMERA} />
      <path d="m15.5 10.5 4.6-2.7a.9.9 0 0 1 1.4.8v6.8a.9.9 0 0 1-1.4.8l-4.6-2.7" />
    </>
  ),
  videoOff: (
    <>
      <path d="M8 6.5h5a2 2 0 0 1 2 2v5m-1 3.7a2 2 0 0 1-1 .3H4.5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2" />
      <path d="m15.5 10.5 4.6-2.7a.9.9 0 0 1 1.4.8v6.8a.9.9 0 0 1-1.2.9" />
      <path d="m3.5 3.5 17 17" />
    </>
  ),
  mic: (
    <>
      <rect x="9" y="2.8" width="6" height="11.4" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3.2" />
    </>
  ),
  micOff: (
    <>
      <path d="M9 9V5.8a3 3 0 0 1 6 0v5.4m-.9 2.1A3 3 0 0 1 9 11.2" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 10.9 4.8m1.9-2.7a6.5 6.5 0 0 0 .2-2.1M12 18v3.2" />
      <path d="m3.5 3.5 17 17" />
    </>
  ),
  screen: (
    <>
      <rect x="2.8" y="4" width="18.4" height="12.4" rx="2" />
      <path d="M8.5 20.2h7M12 13.2V7.5m-2.6 2.6L12 7.5l2.6 2.6" />
    </>
  ),
  sliders: (
    <>
      <path d="M4 7.5h8.5m4.5 0h3M4 16.5h3m4.5 0H20" />
      <circle cx="14.8" cy="7.5" r="2.3" />
      <circle cx="9.2" cy="16.5" r="2.3" />
    </>
  ),
  back: <path d="M19.5 12h-15m6-6.5L4.5 12l6 6.5" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  outgoing: <path d="M7 17 17 7m-7.5 0H17v7.5" />,
  incoming: <path d="M17 7 7 17m7.5 0H7V9.5" />,
  missed: <path d="m4 8 6.5 6.5L19 6M4 13V8h5" />,
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  laptop: <path d="M5.5 5.5h13v9.5h-13zM2.8 18.5h18.4" />,
  user: (
    <>
      <circle cx="12" cy="8" r="3.8" />
      <path d="M4.5 20.2c.9-4 3.8-6 7.5-6s6.6 2 7.5 6" />
    </>
  ),
  bell: (
    <>
      <path d="M6 16.5c1.2-1.2 1.5-2.6 1.5-6a4.5 4.5 0 0 1 9 0c0 3.4.3 4.8 1.5 6z" />
      <path d="M10.2 19.5a2 2 0 0 0 3.6 0" />
    </>
  ),
  speaker: (
    <>
      <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z" />
      <path d="M15.5 8.8a4.6 4.6 0 0 1 0 6.4m2.6-9a8.2 8.2 0 0 1 0 11.6" />
    </>
  ),
  alert: (
    <>
      <circle cx="12" cy="12" r="8.8" />
      <path d="M12 7.5v5.2m0 3.4v.2" />
    </>
  ),
  keypad: (
    <path
      stroke-width="3"
      d="M6 5h.01M12 5h.01M18 5h.01M6 11h.01M12 11h.01M18 11h.01M6 17h.01M12 17h.01M18 17h.01"
    />
  ),
  pause: <path d="M8.5 5v14m7-14v14" stroke-width="2.6" />,
  play: <path d="M8 5.2v13.6a.6.6 0 0 0 .9.5l10.4-6.8a.6.6 0 0 0 0-1L8.9 4.7a.6.6 0 0 0-.9.5Z" />,
  erase: <path d="M9.2 5.5h10.3v13H9.2L3 12zm2.6 4 5 5m0-5-5 5" />,
  unlocked: (
    <>
      <rect x="5" y="10.5" width="14" height="9.7" rx="2.2" />
      <path d="M8.5 10.5V7a3.5 3.5 0 0 1 6.8-1.2M12 14.4v2" />
    </>
  ),
  wallet: (
    <>
      <path d="M17.5 8V5.2a1 1 0 0 0-1.2-1L5 6.3A2.3 2.3 0 0 0 3.5 8.5v9a2.2 2.2 0 0 0 2.2 2.2h13" />
      <path d="M3.5 8.5c.4.9 1 1.2 2.2 1.2h13a1.8 1.8 0 0 1 1.8 1.8v6.4a1.8 1.8 0 0 1-1.8 1.8" />
      <path d="M16.4 14.7h.01" stroke-width="3" />
    </>
  ),
  clock: (
    <>
      <circle cx="12" cy="12" r="8.8" />
      <path d="M12 7v5.2l3.4 2" />
    </>
  ),
} satisfies Record<string, JSX.Element>;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 24 }: { name: IconName; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {PATHS[name]}
    </svg>
  );
}

/** The receiver lifted off its rest. */
export function Logo({ size = 40 }: { size?: number }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <rect width="64" height="64" rx="18" class="logo-tile" />
      <path class="logo-receiver" transform="rotate(-16 32 26) translate(0 -2)" d={RECEIVER} />
      <path class="logo-rest" d={REST} />
    </svg>
  );
}

const RECEIVER =
  'M11.5 27.5c1.5-5.5 10-10 20.5-10s19 4.5 20.5 10c.6 2.2.4 4.3-.2 6-.6 1.6' +
  '-2.2 2.3-3.9 1.8l-6.3-1.8c-1.5-.4-2.5-1.8-2.5-3.3v-2.7a27 27 0 0 0-15.2 0v2.7c0 ' +
  '1.5-1 2.9-2.5 3.3l-6.3 1.8c-1.7.5-3.3-.2-3.9-1.8-.6-1.7-.8-3.8-.2-6z';

const REST = 'M17 52c0-7 5.5-12 15-12s15 5 15 12c0 1.1-.9 2-2 2H19a2 2 0 0 1-2-2z';
