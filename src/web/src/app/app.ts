// The app without its looks: puts together the account, the session, the calls and their media. The
// screens read its observables and call its methods.

import type { CallRoom } from '../media/room';
import type { LocalMedia } from '../media/local';
import {
  Accounts,
  Credentials,
  Phone,
  RequestFailed,
  Session,
  type Connected,
  type Peer,
  type Phase,
  type SessionEvent,
  type User,
} from '../sdk';
import { Attention } from './attention';
import type { Call } from './call';
import { Calls, type CallsState } from './calls';
import { deviceName } from './device';
import { Dialer, type Via } from './dialer';
import { History } from './history';
import { Keys } from './keys';
import { Observable } from './observable';
import { recall, remember } from './own';
import { preferences } from './preferences';
import { Tabs } from './tabs';
import { Tones } from './tones';
import { Wallet } from './wallet';
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
  readonly phone: Phone;
  readonly wallet: Wallet;
  readonly dialer: Dialer;
  readonly keys: Keys;
  private readonly attention = new Attention();
  private readonly tabs: Tabs;
  private readonly bearer = (refused?: string) => this.credentials.bearer(refused);
  /** The call whose media is open, by key. */
  private mediaFor = '';
  private previous: CallsState;
  /** What rings or hums at the moment, and for which call. */
  private sounding = '';

  constructor() {
    this.session = new Session({
      url: `${location.origin.replace(/^http/, 'ws')}/v1/connect`,
      bearer: this.bearer,
      onPhase: (phase) => this.enter(phase),
      onConnected: (connected) => this.connected(connected),
      onEvent: (event) => this.handle(event),
    });
    const request = this.session.request.bind(this.session);
    this.history = new History(request);
    this.calls = new Calls({
      request,
      onRefused: (error, via) => this.refused(error, via),
      onHoldFailed: () => this.tell('The call could not be put on hold or taken back. Try again.'),
      onHistory: (id) => void (id ? this.history.expect(id) : this.history.refresh()),
      causeOf: (id) => this.history.causeOf(id),
    });
    this.phone = new Phone(request);
    this.wallet = new Wallet(this.phone);
    this.dialer = new Dialer(this.phone, preferences.value.via);
    this.dialer.state.subscribe(({ via }) => {
      if (via !== preferences.value.via) preferences.update({ via });
    });
    this.keys = new Keys(this.phone, () => this.tell('The keys did not get through. Try again.'));
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

  private tell(notice: string): void {
    this.state.update({ notice });
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
      this.wallet.clear();
      this.dialer.clear();
      this.state.update({ user: undefined });
    } else if (phase === 'replaced') {
      this.calls.clear();
      this.state.update({ elsewhere: 'open' });
    }
  }

  private connected(connected: Connected): void {
    this.credentials.rename(connected.user);
    this.state.update({ user: connected.user });
    this.calls.connected(connected);
    if (!connected.resumed) void this.wallet.refresh();
  }

  private handle(event: SessionEvent): void {
    if (event.kind !== 'balance') {
      this.calls.handle(event);
      return;
    }
    this.wallet.take(event.balance);
    // How long the balance lasts has changed.
    this.dialer.refresh();
  }

  private tokensChanged(): void {
    this.credentials.reload();
    if (!this.credentials.signedIn && this.state.value.user) this.session.stop('signed-out');
  }

  // ------------------------------------------------------------ calls

  /** Over the app. */
  call(number: string, video: boolean, displayName = ''): void {
    this.dismissNotice();
    const peer = this.history.known({ number, displayName });
    void this.calls.place({ number, peer, via: 'app', video });
  }

  /** Over the phone network, what was dialed, for the price that is on the screen. */
  callPhone(): void {
    const { quote } = this.dialer;
    if (!quote) return;
    this.dismissNotice();
    const { number, emergency } = quote;
    const peer = this.history.known({ number, displayName: '' });
    const anonymous = this.dialer.state.value.anonymous && !emergency;
    void this.calls.place({ number, peer, via: 'phone', video: false, quote, anonymous });
  }

  /** The same way as before; over the phone network its price is shown first. */
  callAgain(peer: Peer, via: Via, video = false): void {
    if (via === 'app') {
      this.call(peer.number, video, peer.displayName);
      return;
    }
    this.calls.dismissEnded();
    this.dialer.prefill(peer.number, 'phone');
    location.hash = '';
  }

  /** A key during a call over the phone network. */
  press(face: string): void {
    const call = this.calls.state.value.current;
    if (call?.via !== 'phone' || !call.id) return;
    this.tapped(face);
    void this.keys.press(call.id, face);
  }

  /** What a key of a telephone sounds like to who presses it. */
  tapped(face: string): void {
    if (preferences.value.keyTones) this.tones.key(face);
  }

  private refused(error: RequestFailed, via: Via): void {
    this.tell(callRefused(error, via));
    if (via === 'phone') this.dialer.refresh();
  }

  /** Rings, hums and opens devices as the call on the screen changes. */
  private follow(state: CallsState): void {
    const [before, now] = [this.previous.current, state.current];
    const ended = this.previous.ended !== state.ended ? state.ended : undefined;
    this.previous = state;
    this.sound(now);
    if (ended?.durationMs) this.tones.ended();
    // The number stays for another try when the call was refused.
    const confirmed = before?.stage === 'placing' && now?.key === before.key && now.id !== '';
    if (confirmed) this.dialer.clear();
    void this.openMedia(now);
  }

  private readonly sound = (call = this.calls.state.value.current): void => {
    const rings = call?.stage === 'incoming';
    // The network's own tones take the place of ours as soon as they are heard.
    const hums = call?.stage === 'ringing' && !this.state.value.room?.view.value.heard;
    const sounding = rings || hums ? `${call.key} ${call.stage}` : '';
    if (sounding === this.sounding) return;
    this.sounding = sounding;
    this.attention.stop();
    this.tones.stop();
    if (call && rings) {
      this.tones.ring(preferences.value.ringtone);
      this.attention.start(peerName(call.peer), call.video);
    } else if (hums) {
      this.tones.ringback();
    }
  };

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
    // Over the phone network the grant comes before the answer, so that one is heard from the first
    // word on: the answer changes nothing here.
    if (!call.grant || this.state.value.room || !local) return;
    const room = new media.CallRoom({
      grant: call.grant,
      local,
      microphone: remembered?.microphone ?? true,
      camera,
      early: call.stage !== 'accepted',
      onOwn: (own) => remember(call.id, own),
    });
    room.view.subscribe(() => this.sound());
    this.state.update({ room, preview: undefined });
  }
}
