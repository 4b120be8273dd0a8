// The media of one accepted call: joins the room of its grant, publishes this side, and shows what
// is there as one plain value that the screen draws.

import {
  ConnectionQuality,
  DisconnectReason,
  Room,
  RoomEvent,
  Track,
  type LocalVideoTrack,
  type Participant,
  type RemoteParticipant,
  type RemoteTrack,
} from 'livekit-client';
import { Observable } from '../app/observable';
import { preferences } from '../app/preferences';
import { Backoff, type MediaGrant } from '../sdk';
import { Ear } from './ear';
import { cameraOptions, LocalMedia, microphoneOptions, problemOf, type Problem } from './local';

export type Link =
  | 'joining'
  | 'live'
  /** The connection broke and is being mended. */
  | 'reconnecting'
  /** Another page of this device is in the room now. */
  | 'moved';

export type Quality = 'good' | 'fair' | 'poor' | 'unknown';

export interface PeerView {
  microphone: boolean;
  speaking: boolean;
  quality: Quality;
  camera: RemoteTrack | undefined;
  screen: RemoteTrack | undefined;
  /** The server holds the picture back: it would not fit through our connection. */
  paused: boolean;
  audio: RemoteTrack[];
}

export interface OwnView {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
  speaking: boolean;
  quality: Quality;
  cameraTrack: LocalVideoTrack | undefined;
  microphoneProblem: Problem | undefined;
  cameraProblem: Problem | undefined;
}

export interface RoomView {
  link: Link;
  /** Undefined until the other side has joined, and while it is away. */
  peer: PeerView | undefined;
  own: OwnView;
  /** The browser waits for a tap before it lets us play sound. */
  audioBlocked: boolean;
  /** The other side made a sound; told only in a room joined before the answer. */
  heard: boolean;
}

export interface JoinOptions {
  grant: MediaGrant;
  local: LocalMedia;
  microphone: boolean;
  camera: boolean;
  /** The call is not answered yet, but there may be something to hear. */
  early: boolean;
  /** Told when this side mutes or unmutes, so that it survives a reload. */
  onOwn: (own: { microphone: boolean; camera: boolean }) => void;
}

export class CallRoom {
  readonly view: Observable<RoomView>;
  /** For tests and the console: the library's own object. */
  readonly room: Room;
  private grant: MediaGrant;
  private link: Link = 'joining';
  private left = false;
  private joining = false;
  private microphoneProblem: Problem | undefined;
  private cameraProblem: Problem | undefined;
  private readonly backoff = new Backoff(500, 5_000);
  private retry: ReturnType<typeof setTimeout> | undefined;
  private drawn = false;
  private ear: Ear | undefined;
  private heard = false;

  constructor(private readonly options: JoinOptions) {
    this.grant = options.grant;
    const { speaker } = preferences.value;
    this.room = new Room({
      adaptiveStream: true,
      dynacast: true,
      audioCaptureDefaults: microphoneOptions(),
      videoCaptureDefaults: cameraOptions(),
      ...(speaker ? { audioOutput: { deviceId: speaker } } : {}),
    });
    for (const event of REDRAW_ON) this.room.on(event, this.redraw);
    if (options.early) this.room.on(RoomEvent.TrackSubscribed, (track) => this.listen(track));
    this.room.on(RoomEvent.Disconnected, (reason) => this.disconnected(reason));
    this.view = new Observable(this.look());
    void this.join();
  }

  /** A newer grant for the same call, used from the next time the room is joined. */
  renew(grant: MediaGrant): void {
    this.grant = grant;
  }

  async leave(): Promise<void> {
    this.left = true;
    clearTimeout(this.retry);
    this.ear?.close();
    this.options.local.close();
    await this.room.disconnect();
  }

  async setMicrophone(on: boolean): Promise<void> {
    this.options.onOwn({ microphone: on, camera: this.room.localParticipant.isCameraEnabled });
    try {
      await this.room.localParticipant.setMicrophoneEnabled(on, microphoneOptions());
      this.microphoneProblem = undefined;
    } catch (error) {
      this.microphoneProblem = problemOf(error);
    }
    this.redraw();
  }

  async setCamera(on: boolean): Promise<void> {
    this.options.onOwn({ microphone: this.room.localParticipant.isMicrophoneEnabled, camera: on });
    try {
      await this.room.localParticipant.setCameraEnabled(on, cameraOptions());
      this.cameraProblem = undefined;
    } catch (error) {
      this.cameraProblem = problemOf(error);
    }
    this.redraw();
  }

  async setScreen(on: boolean): Promise<void> {
    try {
      await this.room.localParticipant.setScreenShareEnabled(on, { audio: true });
    } catch {
      // The person closed the browser's picker.
    }
    this.redraw();
  }

  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    await this.room.switchActiveDevice(kind, deviceId).catch(() => undefined);
    this.redraw();
  }

  /** Call from a tap or key press. */
  async playAudio(): Promise<void> {
    await this.room.startAudio().catch(() => undefined);
    this.redraw();
  }

  forgetProblems(): void {
    this.microphoneProblem = undefined;
    this.cameraProblem = undefined;
    this.redraw();
  }

  // ------------------------------------------------------------ joining

  private async join(): Promise<void> {
    const { grant, room } = this;
    const sameOrigin = location.origin.replace(/^http/, 'ws');
    this.joining = true;
    try {
      await room.connect(grant.url || sameOrigin, grant.token);
    } catch {
      this.rejoinLater();
      return;
    } finally {
      this.joining = false;
    }
    if (this.left) return;
    this.backoff.reset();
    this.link = 'live';
    this.redraw();
    await this.publish();
  }

  private async publish(): Promise<void> {
    const { local, microphone, camera } = this.options;
    await local.ready;
    if (this.left) return;
    this.microphoneProblem = local.microphoneProblem;
    this.cameraProblem = local.cameraProblem;
    const { audio, video } = local;
    // From here the room owns the tracks and stops them.
    local.audio = local.video = undefined;
    const publishing: Promise<unknown>[] = [];
    if (audio) publishing.push(this.publishMicrophone(audio, microphone));
    if (video && camera) publishing.push(this.room.localParticipant.publishTrack(video));
    await Promise.allSettled(publishing);
    this.redraw();
  }

  private async publishMicrophone(audio: NonNullable<LocalMedia['audio']>, on: boolean) {
    if (!on) await audio.mute();
    await this.room.localParticipant.publishTrack(audio);
  }

  private disconnected(reason: DisconnectReason | undefined): void {
    // While joining, the failed attempt itself is what is answered.
    if (this.left || this.joining) return;
    if (reason === DisconnectReason.DUPLICATE_IDENTITY) {
      this.link = 'moved';
      this.redraw();
      return;
    }
    // The library has given up. The call stands until the server ends it, so begin anew.
    const wanted = this.view.value.own;
    this.options.microphone = wanted.microphone;
    this.options.camera = wanted.camera;
    this.options.local = new LocalMedia({ microphone: true, camera: wanted.camera });
    this.rejoinLater();
  }

  private rejoinLater(): void {
    if (this.left) return;
    if (this.link !== 'joining') this.link = 'reconnecting';
    this.redraw();
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.join(), this.backoff.next());
  }

  // ------------------------------------------------------------ looking

  private listen(track: RemoteTrack): void {
    if (track.kind !== Track.Kind.Audio || this.heard || this.left) return;
    this.ear?.close();
    this.ear = new Ear(track.mediaStreamTrack, () => {
      this.heard = true;
      this.redraw();
    });
  }

  /** Many events come at once; the screen is drawn once for all of them. */
  private readonly redraw = (): void => {
    if (this.drawn) return;
    this.drawn = true;
    queueMicrotask(() => {
      this.drawn = false;
      this.view.set(this.look());
    });
  };

  private look(): RoomView {
    const room = this.room;
    const peer = [...room.remoteParticipants.values()][0];
    const mending = this.link === 'live' && room.state !== 'connected';
    return {
      link: mending ? 'reconnecting' : this.link,
      peer: peer && lookAt(peer),
      own: this.lookAtOwn(),
      audioBlocked: this.link === 'live' && !room.canPlaybackAudio,
      heard: this.heard,
    };
  }

  private lookAtOwn(): OwnView {
    const own = this.room.localParticipant;
    const camera = own.getTrackPublication(Track.Source.Camera);
    const { microphone, camera: wantsCamera, local } = this.options;
    const settled = this.link !== 'joining';
    return {
      microphone: settled ? own.isMicrophoneEnabled : microphone,
      camera: settled ? own.isCameraEnabled : wantsCamera,
      screen: own.isScreenShareEnabled,
      speaking: own.isSpeaking,
      quality: qualityOf(own),
      cameraTrack: (camera?.videoTrack as LocalVideoTrack | undefined) ?? local.video,
      microphoneProblem: this.microphoneProblem ?? local.microphoneProblem,
      cameraProblem: this.cameraProblem ?? local.cameraProblem,
    };
  }
}

function lookAt(peer: RemoteParticipant): PeerView {
  const track = (source: Track.Source): RemoteTrack | undefined => {
    const publication = peer.getTrackPublication(source);
    return publication && !publication.isMuted ? publication.track : undefined;
  };
  const audio = [...peer.audioTrackPublications.values()].flatMap((publication) =>
    publication.track ? [publication.track as RemoteTrack] : [],
  );
  const camera = track(Track.Source.Camera);
  const screen = track(Track.Source.ScreenShare);
  return {
    microphone: peer.isMicrophoneEnabled,
    // The sound of a shared screen makes a muted person "speak" too.
    speaking: peer.isSpeaking && peer.isMicrophoneEnabled,
    quality: qualityOf(peer),
    camera,
    screen,
    paused: (screen ?? camera)?.streamState === Track.StreamState.Paused,
    audio,
  };
}

function qualityOf(participant: Participant): Quality {
  switch (participant.connectionQuality) {
    case ConnectionQuality.Excellent:
      return 'good';
    case ConnectionQuality.Good:
      return 'fair';
    case ConnectionQuality.Poor:
    case ConnectionQuality.Lost:
      return 'poor';
    default:
      return 'unknown';
  }
}

const REDRAW_ON = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.TrackPublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.AudioPlaybackStatusChanged,
  RoomEvent.ActiveDeviceChanged,
] as const;
