// The app without its looks: puts together the account, the session, the calls and their media. The
// screens read its observables and call its methods.

import type { CallRoom } from '../media/room';
import type { LocalMedia } from '../media/local';
import { Accounts, Credentials, RequestFailed, Session, type Phase, type User } from '../sdk';
import { Attention } from './attention';
import { Calls, type Call, type CallsState } from './calls';
import { History } from './history';
import { Observable } from './observable';
import { preferences } from './preferences';
import { Tabs } from './tabs';
import { Tones } from './tones';
import { callRefused, peerName } from './words';

export interface AppState {
  user: User | undefined;
  phase: Phase;
  /** Why this tab is not the device's voice. */
  elsewhere: 'no' | 'open' | 'in-call';
  /** A sentence about something that did not work, until dismissed. */
  notice: string;
  room: CallRoom | undefined;
  /** This side's devices while the call is not accepted yet, for the preview. */
  preview: LocalMedia | undefined;
}

const loadMedia = () => import('../media');

export class App {
  readonly state = new Observable<AppState>({
    user: undefined,
    phase: 'stopped',
    elsewhere: 'no',
    notice: '',
    room: undefined,
    preview: undefined,
  });
  readonly accounts = new Accounts(location.origin);
  readonly credentials = new Credentials(this.accounts, localStorage);
  readonly tones = new Tones();
  readonly session: Session;
  readonly calls: Calls;
  readonly history: History;
  private readonly attention = new Attention();
  private readonly tabs: Tabs;
  private readonly bearer = (refused?: string) => this.credentials.bearer(refused);
  /** The call whose media is open, by key. */
  private mediaFor = '';
  private previous: CallsState;

  constructor() {
    this.session = new Session({
      url: `${location.origin.replace(/^http/, 'ws')}/v1/connect`,
      bearer: this.bearer,
      onPhase: (phase) => this.enter(phase),
      onConnected: (connected) => {
        this.credentials.rename(connected.user);
        this.state.update({ user: connected.user });
        this.calls.connected(connected);
      },
      onEvent: (event) => this.calls.handle(event),
    });
    const request = this.session.request.bind(this.session);
    this.history = new History(request);
    this.calls = new Calls({
      request,
      onRefused: (error) => this.state.update({ notice: callRefused(error) }),
      onHistory: (id) => void (id ? this.history.expect(id) : this.history.refresh()),
      causeOf: (id) => this.history.causeOf(id),
    });
    this.previous = this.calls.state.value;
    this.calls.state.subscribe((state) => this.follow(state));
    this.tabs = new Tabs({
      inCall: () => this.calls.state.value.current !== undefined,
      onTaken: () => this.session.stop('replaced'),
    });
    addEventListener('storage', (event) => {
      if (event.key === 'offhook.tokens' || event.key === null) this.tokensChanged();
    });
  }

  // ------------------------------------------------------------ account

  /** Goes online with the tokens of an earlier visit, if there are any. */
  async begin(): Promise<void> {
    if (!this.credentials.signedIn) return;
    this.state.update({ user: this.credentials.user });
    if (await this.tabs.claim()) this.goOnline();
    else this.state.update({ elsewhere: 'in-call' });
  }

  async signIn(number: string, code: string): Promise<User> {
    const tokens = await this.accounts.verifyCode(number, code, deviceName());
    this.credentials.keep(tokens);
    return tokens.user;
  }

  async rename(displayName: string): Promise<void> {
    const user = await this.accounts.updateProfile(this.bearer, displayName);
    this.credentials.rename(user);
    this.state.update({ user });
  }

  devices() {
    return this.accounts.devices(this.bearer);
  }

  async revokeDevice(id: string): Promise<void> {
    await this.accounts.revokeDevice(this.bearer, id);
  }

  async signOut(): Promise<void> {
    // Also without the server's answer this device forgets its tokens.
    await this.accounts.signOut(this.bearer).catch(() => undefined);
    this.session.stop('signed-out');
  }

  takeOver(): void {
    this.tabs.take();
    this.goOnline();
  }

  dismissNotice(): void {
    this.state.update({ notice: '' });
  }

  private goOnline(): void {
    this.state.update({ elsewhere: 'no' });
    this.session.start();
    // Fetched now so that answering a call does not wait for it.
    void loadMedia();
  }

  private enter(phase: Phase): void {
    this.state.update({ phase });
    if (phase === 'signed-out') {
      this.credentials.forget();
      this.calls.clear();
      this.history.clear();
      this.state.update({ user: undefined });
    } else if (phase === 'replaced') {
      this.calls.clear();
      this.state.update({ elsewhere: 'open' });
    }
  }

  private tokensChanged(): void {
    this.credentials.reload();
    if (!this.credentials.signedIn && this.state.value.user) this.session.stop('signed-out');
  }

  // ------------------------------------------------------------ calls

  call(number: string, video: boolean, displayName = ''): void {
    this.dismissNotice();
    void this.calls.place(number, video, this.history.known({ number, displayName }));
  }

  /** Rings, hums and opens devices as the call on the screen changes. */
  private follow(state: CallsState): void {
    const [before, now] = [this.previous.current, state.current];
    const ended = this.previous.ended !== state.ended ? state.ended : undefined;
    this.previous = state;
    if (before?.key !== now?.key || before?.stage !== now?.stage) this.sound(now);
    if (ended?.durationMs) this.tones.ended();
    void this.openMedia(now);
  }

  private sound(call: Call | undefined): void {
    this.attention.stop();
    this.tones.stop();
    if (call?.stage === 'incoming') {
      this.tones.ring(preferences.value.ringtone);
      this.attention.start(peerName(call.peer), call.video);
    } else if (call?.stage === 'ringing') {
      this.tones.ringback();
    }
  }

  private async openMedia(call: Call | undefined): Promise<void> {
    const { room, preview } = this.state.value;
    if (call?.key !== this.mediaFor) {
      this.mediaFor = '';
      this.state.update({ room: undefined, preview: undefined });
      preview?.close();
      void room?.leave();
    }
    if (!call || call.stage === 'incoming') return;
    if (room && call.grant && this.mediaFor === call.key) {
      room.renew(call.grant);
      return;
    }
    this.mediaFor = call.key;
    const media = await loadMedia();
    // Much may have happened while the code was fetched.
    const now = this.calls.state.value.current;
    if (now?.key !== call.key || this.mediaFor !== call.key) return;
    this.enterMedia(media, now);
  }

  private enterMedia(media: typeof import('../media'), call: Call): void {
    const remembered = recall(call.id);
    const camera = remembered?.camera ?? call.camera;
    let local = this.state.value.preview;
    if (!local && !this.state.value.room) {
      local = new media.LocalMedia({ microphone: true, camera });
      const opened = local;
      this.state.update({ preview: local });
      // Drawn again when the devices are open.
      void local.ready.then(() => {
        if (this.state.value.preview === opened) this.state.set({ ...this.state.value });
      });
    }
    if (call.stage !== 'accepted' || !call.grant || this.state.value.room || !local) return;
    const room = new media.CallRoom({
      grant: call.grant,
      local,
      microphone: remembered?.microphone ?? true,
      camera,
      onOwn: (own) => remember(call.id, own),
    });
    this.state.update({ room, preview: undefined });
  }
}

/** Survives a reload of the page, not the end of the tab. */
const OWN_KEY = 'offhook.call';

interface Own {
  microphone: boolean;
  camera: boolean;
}

function remember(callId: string, own: Own): void {
  sessionStorage.setItem(OWN_KEY, JSON.stringify({ callId, ...own }));
}

function recall(callId: string): Own | undefined {
  try {
    const own = JSON.parse(sessionStorage.getItem(OWN_KEY) ?? '{}') as Own & { callId?: string };
    return own.callId === callId ? own : undefined;
  } catch {
    return undefined;
  }
}

/** "Firefox on Linux": what this device is called in the list of devices. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const browsers: [RegExp, string][] = [
    [/Edg\//, 'Edge'],
    [/OPR\//, 'Opera'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ];
  const systems: [RegExp, string][] = [
    [/iPhone|iPad/, 'iOS'],
    [/Android/, 'Android'],
    [/Mac OS/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ];
  const name = (table: [RegExp, string][]) => table.find(([sign]) => sign.test(agent))?.[1];
  return `${name(browsers) ?? 'Browser'} on ${name(systems) ?? 'this computer'}`;
}

export { RequestFailed };
