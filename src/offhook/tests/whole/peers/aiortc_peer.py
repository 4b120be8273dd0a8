"""WHIP and WHEP through aiortc.

usage: aiortc_peer.py whip|whep ENDPOINT TOKEN [--seconds N]
whip publishes a tone and a moving picture for N seconds. whep plays one audio and one video track and exits 0 once both carried
something within N seconds. Prints one JSON line.
"""

import argparse
import asyncio
import fractions
import json
import math
import sys
import urllib.parse
import urllib.request

import numpy as np
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from av import AudioFrame, VideoFrame


class Tone(AudioStreamTrack):
    """440 Hz, paced by the base class's clock."""

    async def recv(self):
        frame = await super().recv()
        samples = frame.samples
        at = (np.arange(samples) + frame.pts) * (2 * math.pi * 440 / frame.sample_rate)
        out = AudioFrame.from_ndarray((np.sin(at) * 10000).astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        out.pts, out.sample_rate, out.time_base = frame.pts, frame.sample_rate, fractions.Fraction(1, frame.sample_rate)
        return out


class Bar(VideoStreamTrack):
    """A white bar that wanders over grey."""

    number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        pixels = np.full((240, 320, 3), 96, dtype=np.uint8)
        left = (self.number * 8) % 280
        pixels[:, left : left + 40] = 255
        self.number += 1
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


def request(method, url, token, body=None, kind="application/sdp"):
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = kind
    return urllib.request.urlopen(
        urllib.request.Request(url, method=method, headers=headers, data=body.encode() if body is not None else None), timeout=10
    )


async def negotiate(pc, args):
    await pc.setLocalDescription(await pc.createOffer())
    with await asyncio.to_thread(request, "POST", args.endpoint, args.token, pc.localDescription.sdp) as answer:
        assert answer.status == 201, answer.status
        assert answer.headers["Content-Type"].startswith("application/sdp")
        location = urllib.parse.urljoin(args.endpoint, answer.headers["Location"])
        sdp = answer.read().decode()
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    return location


async def whip(args):
    pc = RTCPeerConnection()
    pc.addTrack(Tone())
    pc.addTrack(Bar())
    location = await negotiate(pc, args)
    print(json.dumps({"publishing": True}), flush=True)
    await asyncio.sleep(args.seconds)
    state = pc.connectionState
    with await asyncio.to_thread(request, "DELETE", location, args.token) as answer:
        assert answer.status == 200, answer.status
    await pc.close()
    return state == "connected"


async def whep(args):
    pc = RTCPeerConnection()
    heard, seen = asyncio.Event(), asyncio.Event()
    tasks = []

    async def listen(track):
        while not heard.is_set():
            level = (await track.recv()).to_ndarray().astype(np.float64)
            if np.sqrt(np.mean(level**2)) > 500:
                heard.set()

    async def watch(track):
        last = None
        while not seen.is_set():
            frame = (await track.recv()).to_ndarray(format="rgb24").astype(np.int16)
            if last is not None and last.shape == frame.shape and np.mean(np.abs(frame - last)) > 0.5:
                seen.set()
            last = frame

    @pc.on("track")
    def on_track(track):
        tasks.append(asyncio.create_task(listen(track) if track.kind == "audio" else watch(track)))

    pc.addTransceiver("audio", direction="recvonly")
    pc.addTransceiver("video", direction="recvonly")
    location = await negotiate(pc, args)
    try:
        await asyncio.wait_for(asyncio.gather(heard.wait(), seen.wait()), args.seconds)
    except asyncio.TimeoutError:
        pass
    print(json.dumps({"audio": heard.is_set(), "video": seen.is_set()}), flush=True)
    with await asyncio.to_thread(request, "DELETE", location, args.token) as answer:
        assert answer.status == 200, answer.status
    for task in tasks:
        task.cancel()
    await pc.close()
    return heard.is_set() and seen.is_set()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("door", choices=["whip", "whep"])
    parser.add_argument("endpoint")
    parser.add_argument("token")
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    return 0 if await (whip if args.door == "whip" else whep)(args) else 1


sys.exit(asyncio.run(main()))
