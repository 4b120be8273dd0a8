// The app's own icons: 24 by 24, round strokes, drawn in the colour of the text around them.

import type { JSX } from 'preact';

const HANDSET =
  'M6.6 3.6 9 3.200l1.900 4.600-1.900 1.900a12.500 12.500 0 0 0 5.300 5.300l1.900-1.900 4.600 1.900-.4 2.400' +
  'a2.600 2.600 0 0 1-2.600 2.200C10.400 19.600 4.400 13.600 4.400 6.200a2.600 2.600 0 0 1 2.200-2.600Z';

const CAMERA = 'M4.500 6.500h8.500a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H4.500a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2Z';

const PATHS = {
  phone: <path d={HANDSET} />,
  hangUp: <path d={HANDSET} transform="rotate(135 12 12)" />,
  video: (
    <>
      <path d={CAMERA} />
      <path d="m15.500 10.500 4.600-2.700a.9.9 0 0 1 1.400.8v6.800a.9.9 0 0 1-1.400.8l-4.600-2.700" />
    </>
  ),
  videoOff: (
    <>
      <path d="M8 6.500h5a2 2 0 0 1 2 2v5m-1 3.700a2 2 0 0 1-1 .3H4.500a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2" />
      <path d="m15.500 10.500 4.600-2.700a.9.9 0 0 1 1.400.8v6.800a.9.9 0 0 1-1.200.900" />
      <path d="m3.500 3.500 17 17" />
    </>
  ),
  mic: (
    <>
      <rect x="9" y="2.800" width="6" height="11.400" rx="3" />
      <path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3.200" />
    </>
  ),
  micOff: (
    <>
      <path d="M9 9V5.800a3 3 0 0 1 6 0v5.400m-.9 2.100A3 3 0 0 1 9 11.200" />
      <path d="M5.500 11.500a6.500 6.500 0 0 0 10.900 4.800m1.900-2.700a6.500 6.500 0 0 0 .2-2.100M12 18v3.200" />
      <path d="m3.500 3.500 17 17" />
    </>
  ),
  screen: (
    <>
      <rect x="2.800" y="4" width="18.400" height="12.400" rx="2" />
      <path d="M8.500 20.200h7M12 13.200V7.500m-2.600 2.600L12 7.500l2.600 2.600" />
    </>
  ),
  sliders: (
    <>
      <path d="M4 7.500h8.500m4.500 0h3M4 16.500h3m4.500 0H20" />
      <circle cx="14.800" cy="7.500" r="2.300" />
      <circle cx="9.200" cy="16.500" r="2.300" />
    </>
  ),
  gear: (
    <>
      <circle cx="12" cy="12" r="3.100" />
      <path d="M12 2.800v2.600m0 13.200v2.600M2.800 12h2.600m13.200 0h2.600M5.500 5.500l1.800 1.800m9.400 9.400 1.800 1.800m0-13-1.800 1.800m-9.400 9.400-1.800 1.800" />
    </>
  ),
  back: <path d="M19.500 12h-15m6-6.500L4.500 12l6 6.500" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  outgoing: <path d="M7 17 17 7m-7.500 0H17v7.500" />,
  incoming: <path d="M17 7 7 17m7.500 0H7V9.500" />,
  missed: <path d="m4 8 6.500 6.500L19 6M4 13V8h5" />,
  check: <path d="m5 12.500 4.500 4.500L19 7.500" />,
  laptop: <path d="M5.500 5.500h13v9.500h-13zM2.800 18.500h18.400" />,
  user: (
    <>
      <circle cx="12" cy="8" r="3.800" />
      <path d="M4.500 20.200c.9-4 3.800-6 7.500-6s6.600 2 7.500 6" />
    </>
  ),
  bell: (
    <path d="M6 16.500c1.200-1.200 1.500-2.600 1.500-6a4.500 4.500 0 0 1 9 0c0 3.400.3 4.800 1.500 6zm4.200 3a2 2 0 0 0 3.600 0" />
  ),
  speaker: (
    <path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zm11.500-.7a4.600 4.600 0 0 1 0 6.400m2.600-9a8.200 8.200 0 0 1 0 11.600" />
  ),
  alert: (
    <>
      <circle cx="12" cy="12" r="8.800" />
      <path d="M12 7.500v5.200m0 3.400v.2" />
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
      stroke-width="1.800"
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
      <path
        class="logo-receiver"
        transform="rotate(-24 32 27)"
        d="M17 24c9-8 21-8 30 0l-3.500 7.500-7.500-2.400-.6-4a19 19 0 0 0-6.800 0l-.6 4-7.500 2.400z"
      />
      <path class="logo-rest" d="M18 50c2.500-8 7-11.500 14-11.500S43.500 42 46 50z" />
    </svg>
  );
}
