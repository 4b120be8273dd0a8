// The screen between calls: dial, and what happened before. On a phone one of the two at a time.

import { prettyNumber } from '../app/countries';
import { useValue } from '../app/observable';
import { BalanceChip } from './Balance';
import { useApp } from './context';
import { DialPad } from './DialPad';
import { Icon, Logo, type IconName } from './icons';
import { Notices } from './Notices';
import { Recent } from './Recent';

export type Tab = 'dial' | 'recent';

export function Home({ tab }: { tab: Tab }) {
  const app = useApp();
  const { user } = useValue(app.state);
  return (
    <main class="page home" data-testid="home" data-tab={tab}>
      <header class="top">
        <Logo size={36} />
        <span class="top-name">Offhook</span>
        <BalanceChip />
        <a
          class="me"
          href="#settings"
          data-testid="open-settings"
          aria-label="Settings and devices"
        >
          <span class="me-words">
            <span class="me-name" data-testid="me-name">
              {user?.displayName || 'No name yet'}
            </span>
            <span class="me-number figures">{prettyNumber(user?.number ?? '')}</span>
          </span>
          <Icon name="sliders" size={22} />
        </a>
      </header>
      <Notices />
      <div class="columns">
        <section class="card dial-side" aria-labelledby="dial-title">
          <DialPad />
        </section>
        <section class="recent" aria-labelledby="recent-title">
          <Recent />
        </section>
      </div>
      <Tabs tab={tab} />
    </main>
  );
}

const TABS: [Tab, string, string, IconName][] = [
  ['dial', '#', 'Keypad', 'keypad'],
  ['recent', '#recent', 'Recent', 'clock'],
];

function Tabs({ tab }: { tab: Tab }) {
  return (
    <nav class="tabs" aria-label="Keypad and recent calls">
      {TABS.map(([one, href, name, icon]) => (
        <a
          key={one}
          href={href}
          aria-current={tab === one ? 'page' : undefined}
          data-testid={`tab-${one}`}
        >
          <Icon name={icon} />
          <span>{name}</span>
        </a>
      ))}
    </nav>
  );
}
