"""A participant through the Python LiveKit SDK: publishes a tone and a moving picture, and waits until it hears and sees the others.

usage: livekit_peer.py URL TOKEN [--others N] [--stay SECONDS] [--data TEXT]
Prints one JSON line and exits 0 when everything expected arrived within 45 s.
"""

import argparse
import asyncio
import json
import math
import sys

import numpy as np
from livekit import rtc

RATE = 48000
WIDTH, HEIGHT = 320, 240


async def tone(source: rtc.AudioSource) -> None:
    """440 Hz at a third of full scale, in 10 ms frames; the source paces."""
    samples = RATE // 100
    phase = 0
    while True:
        frame = rtc.AudioFrame.create(RATE, 1, samples)
        at = (np.arange(samples) + phase) * (2 * math.pi * 440 / RATE)
        np.copyto(np.frombuffer(frame.data, dtype=np.int16), (np.sin(at) * 10000).astype(np.int16))
        phase += samples
        await source.capture_frame(frame)


async def picture(source: rtc.VideoSource) -> None:
    """A white bar that wanders over grey, 15 frames a second."""
    number = 0
    while True:
        pixels = np.full((HEIGHT, WIDTH, 4), 96, dtype=np.uint8)
        left = (number * 8) % (WIDTH - 40)
        pixels[:, left : left + 40] = 255
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, pixels.tobytes()))
        number += 1
        await asyncio.sleep(1 / 15)


class Seen:
    def __init__(self) -> None:
        self.audio: set[str] = set()
        self.video: set[str] = set()
        self.data: list[str] = []

    def complete(self, others: int, data: str | None) -> bool:
        heard = len(self.audio) >= others and len(self.video) >= others
        return heard and (data is None or data in self.data)


async def listen(track: rtc.Track, identity: str, seen: Seen) -> None:
    async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
        level = np.frombuffer(event.frame.data, dtype=np.int16).astype(np.float64)
        if np.sqrt(np.mean(level**2)) > 500:
            seen.audio.add(identity)


async def watch(track: rtc.Track, identity: str, seen: Seen) -> None:
    last = None
    async for event in rtc.VideoStream(track, format=rtc.VideoBufferType.RGBA):
        frame = np.frombuffer(event.frame.data, dtype=np.uint8).astype(np.int16)
        if last is not None and last.shape == frame.shape and np.mean(np.abs(frame - last)) > 0.5:
            seen.video.add(identity)
        last = frame


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--others", type=int, default=1)
    parser.add_argument("--stay", type=float, default=3.0)
    parser.add_argument("--data", help="text to wait for, and to answer with 'echo:' before it")
    args = parser.parse_args()

    seen = Seen()
    tasks: list[asyncio.Task] = []
    room = rtc.Room()

    @room.on("track_subscribed")
    def subscribed(track, publication, participant):
        meter = listen if track.kind == rtc.TrackKind.KIND_AUDIO else watch
        tasks.append(asyncio.create_task(meter(track, participant.identity, seen)))

    @room.on("data_received")
    def received(packet):
        text = packet.data.decode("utf-8", "replace")
        seen.data.append(text)
        if not text.startswith("echo:"):
            tasks.append(asyncio.create_task(room.local_participant.publish_data(f"echo:{text}", reliable=True)))

    await room.connect(args.url, args.token)
    audio, video = rtc.AudioSource(RATE, 1), rtc.VideoSource(WIDTH, HEIGHT)
    mic = rtc.LocalAudioTrack.create_audio_track("tone", audio)
    cam = rtc.LocalVideoTrack.create_video_track("bar", video)
    await room.local_participant.publish_track(mic, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
    await room.local_participant.publish_track(cam, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA))
    tasks += [asyncio.create_task(tone(audio)), asyncio.create_task(picture(video))]

    deadline = asyncio.get_running_loop().time() + 45
    while not seen.complete(args.others, args.data) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    # The others need a moment to hear and see us as well.
    await asyncio.sleep(args.stay)
    done = seen.complete(args.others, args.data)
    print(json.dumps({"audio": sorted(seen.audio), "video": sorted(seen.video), "data": seen.data}), flush=True)
    for task in tasks:
        task.cancel()
    await room.disconnect()
    return 0 if done else 1


sys.exit(asyncio.run(main()))
