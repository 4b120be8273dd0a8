// This side's microphone and camera, opened before the room is joined so that the first words are
// not lost. Each may be missing or forbidden without taking the other along.

import {
  createLocalAudioTrack,
  createLocalVideoTrack,
  MediaDeviceFailure,
  VideoPresets,
  type LocalAudioTrack,
  type LocalVideoTrack,
} from 'livekit-client';
import { preferences } from '../app/preferences';

export type Problem =
  /** The person or the browser said no. */
  | 'denied'
  /** There is none. */
  | 'missing'
  /** Another program holds it. */
  | 'busy'
  /** Browsers give devices to secure pages only. */
  | 'insecure';

export class LocalMedia {
  audio: LocalAudioTrack | undefined;
  video: LocalVideoTrack | undefined;
  microphoneProblem: Problem | undefined;
  cameraProblem: Problem | undefined;
  /** Settles when everything asked for was opened or failed. */
  readonly ready: Promise<void>;
  private closed = false;

  constructor(wanted: { microphone: boolean; camera: boolean }) {
    const opening = [];
    if (wanted.microphone) opening.push(this.openMicrophone());
    if (wanted.camera) opening.push(this.openCamera());
    this.ready = Promise.all(opening).then(() => undefined);
  }

  /** Stops what was opened and not handed to a room. */
  close(): void {
    this.closed = true;
    this.audio?.stop();
    this.video?.stop();
    this.audio = undefined;
    this.video = undefined;
  }

  private async openMicrophone(): Promise<void> {
    try {
      const track = await createLocalAudioTrack(microphoneOptions());
      if (this.closed) track.stop();
      else this.audio = track;
    } catch (error) {
      this.microphoneProblem = problemOf(error);
    }
  }

  private async openCamera(): Promise<void> {
    try {
      const track = await createLocalVideoTrack(cameraOptions());
      if (this.closed) track.stop();
      else this.video = track;
    } catch (error) {
      this.cameraProblem = problemOf(error);
    }
  }
}

/** `ideal`, not `exact`: a headset left at home must not take the microphone away. */
export function microphoneOptions() {
  const ideal = preferences.value.microphone;
  const processing = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return ideal ? { ...processing, deviceId: { ideal } } : processing;
}

export function cameraOptions() {
  const ideal = preferences.value.camera;
  const resolution = VideoPresets.h720.resolution;
  return ideal ? { resolution, deviceId: { ideal } } : { resolution, facingMode: 'user' as const };
}

export function problemOf(error: unknown): Problem {
  if (!navigator.mediaDevices?.getUserMedia) return 'insecure';
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.PermissionDenied:
      return 'denied';
    case MediaDeviceFailure.NotFound:
      return 'missing';
    default:
      return 'busy';
  }
}
