// Tells when a track is heard for the first time: one may be there, silent, long before its sound.

export class Ear {
  private readonly audio = new AudioContext();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(track: MediaStreamTrack, onHeard: () => void) {
    const analyser = new AnalyserNode(this.audio, { fftSize: 2048 });
    this.audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      if (loudness(samples) < AUDIBLE) return;
      this.close();
      onHeard();
    }, LOOK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.timer);
    if (this.audio.state !== 'closed') void this.audio.close();
  }
}

/** Root mean square, 0 to 1. */
export function loudness(samples: Float32Array): number {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  return Math.sqrt(energy / Math.max(1, samples.length));
}

/** 40 dB below full scale: under any tone of a network, over the noise of a quiet line. */
const AUDIBLE = 0.01;
const LOOK_EVERY_MS = 100;
