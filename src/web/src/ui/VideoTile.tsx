import { useEffect, useRef } from 'preact/hooks';

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

/** Sound without a face. */
export function Sound({ track }: { track: Attachable }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const element = audio.current;
    if (!element) return undefined;
    track.attach(element);
    return () => void track.detach(element);
  }, [track]);
  return <audio ref={audio} autoplay data-testid="remote-audio" />;
}
