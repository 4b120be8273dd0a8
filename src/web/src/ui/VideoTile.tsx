import { useEffect, useRef } from 'preact/hooks';
import { Observable, useValue } from '../app/observable';
import type { RoomView } from '../media/room';
import { useApp } from './context';

/** The part of the media library's tracks that a tile needs. */
interface Attachable {
  attach: (element: HTMLMediaElement) => unknown;
  detach: (element: HTMLMediaElement) => unknown;
}

interface TileProps {
  track: Attachable;
  testid: string;
  label: string;
  class?: string;
  mirrored?: boolean;
}

export function VideoTile({ track, testid, label, class: kind = '', mirrored }: TileProps) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    track.attach(element);
    return () => void track.detach(element);
  }, [track]);
  return (
    <video
      ref={video}
      class={`tile ${kind} ${mirrored ? 'mirrored' : ''}`}
      aria-label={label}
      autoplay
      muted
      playsInline
      data-testid={testid}
    />
  );
}

/** What is heard, on every screen: over the phone network that begins before the answer. */
export function Sounds() {
  const app = useApp();
  const { room } = useValue(app.state);
  const view = useValue<RoomView | undefined>(room?.view ?? NO_ROOM);
  return (
    <>
      {view?.peer?.audio.map((track) => (
        <Sound key={track.sid} track={track} />
      ))}
    </>
  );
}

const NO_ROOM = new Observable<RoomView | undefined>(undefined);

/** Sound without a face. */
function Sound({ track }: { track: Attachable }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const element = audio.current;
    if (!element) return undefined;
    track.attach(element);
    return () => void track.detach(element);
  }, [track]);
  return <audio ref={audio} autoplay data-testid="remote-audio" />;
}
