// What the fake camera sees and the fake microphone hears when a measurement needs a picture that
// costs an encoder bits, and a sound without a pause. Both repeat without end.

import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';

const WIDTH = 1280;
const HEIGHT = 720;
const SECONDS = 4;
const FRAME_RATE = 15;

/** The browser's flags for devices that show and sound so; the files go into the folder. */
export async function sceneFlags(folder) {
  const picture = path.join(folder, 'scene.y4m');
  const sound = path.join(folder, 'scene.wav');
  await Promise.all([film(picture), record(sound)]);
  return [`--use-file-for-fake-video-capture=${picture}`, `--use-file-for-fake-audio-capture=${sound}`];
}

/** Soft hills of light that drift, as behind somebody who moves, under the grain of a small camera. */
async function film(file) {
  const out = await open(file, 'w');
  await out.write(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FRAME_RATE}:1 Ip A1:1 C420jpeg\n`);
  const random = numbers(1);
  const grain = Int8Array.from({ length: WIDTH * HEIGHT * 2 }, () => (random() % 9) - 4);
  const frame = Buffer.alloc((WIDTH * HEIGHT * 3) / 2, 128);
  const frames = SECONDS * FRAME_RATE;
  for (let i = 0; i < frames; i += 1) {
    paint(frame, (2 * Math.PI * i) / frames, grain.subarray(random() % (WIDTH * HEIGHT)));
    await out.write('FRAME\n');
    await out.write(frame);
  }
  await out.close();
}

function paint(frame, turn, grain) {
  const across = Float32Array.from({ length: WIDTH }, (_, x) => 40 * Math.sin(x / 37 + 3 * turn));
  const slant = Float32Array.from({ length: WIDTH + HEIGHT }, (_, d) => 30 * Math.sin(d / 11 - 5 * turn));
  const [left, top] = [400 + 300 * Math.sin(turn), 200 + 100 * Math.cos(2 * turn)];
  for (let y = 0; y < HEIGHT; y += 1) {
    const down = 128 + 25 * Math.sin(y / 53 - 2 * turn);
    for (let x = 0; x < WIDTH; x += 1) {
      const head = x > left && x < left + 300 && y > top && y < top + 300 ? 30 : 0;
      const at = y * WIDTH + x;
      frame[at] = Math.max(0, Math.min(255, down + across[x] + slant[x + y] + head + grain[at]));
    }
  }
}

/** A voice that never pauses: a tone that wavers, in syllables. */
function record(file) {
  const rate = 48_000;
  const samples = new Int16Array(rate * SECONDS);
  let phase = 0;
  for (let i = 0; i < samples.length; i += 1) {
    const at = i / rate;
    phase += (2 * Math.PI * (180 + 60 * Math.sin(2 * Math.PI * 1.5 * at))) / rate;
    const voice = Math.sin(phase) + 0.5 * Math.sin(3 * phase) + 0.25 * Math.sin(7 * phase);
    samples[i] = 9_000 * voice * (0.6 + 0.4 * Math.sin(2 * Math.PI * 4 * at));
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.byteLength, 40);
  return writeFile(file, Buffer.concat([header, Buffer.from(samples.buffer)]));
}

/** The same numbers every time (xorshift). */
function numbers(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
