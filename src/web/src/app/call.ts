// One call as the person in front of it sees it.

import type {
  CallCause,
  CallMedia,
  CallSnapshot,
  CallVia,
  MediaGrant,
  Peer,
  Place,
  Quote,
} from '../sdk';
import type { Via } from './dialer';

export type Stage =
  /** The server has not confirmed the call yet. */
  | 'placing'
  /** Devices of the callee are being told. */
  | 'placed'
  /** At least one of them rings. */
  | 'ringing'
  | 'incoming'
  /** Answered here; the server has not said yet whether we were first. */
  | 'accepting'
  | 'accepted';

export interface Call {
  /** The same for the life of the call on this page, unlike `id`. */
  key: string;
  /** The server's id; empty while placing. */
  id: string;
  direction: 'outgoing' | 'incoming';
  peer: Peer;
  via: Via;
  video: boolean;
  /** Whether this side starts with its camera on. */
  camera: boolean;
  stage: Stage;
  /** Over the phone network it comes before the answer: there is something to hear already. */
  grant: MediaGrant | undefined;
  /** By this machine's clock; 0 until accepted. */
  acceptedAt: number;
  /** The price that was agreed to, for a call over the phone network placed on this page. */
  quote: Quote | undefined;
  /** On hold by this side, and by the other. */
  held: boolean;
  heldByPeer: boolean;
  warning: Warning | undefined;
}

/** The call will be cut off. */
export interface Warning {
  /** By this machine's clock. */
  at: number;
  cause: CallCause;
}

/** What is told about a call that is over. */
export interface Ended {
  id: string;
  peer: Peer;
  direction: Call['direction'];
  via: Via;
  video: boolean;
  cause: CallCause;
  /** Ended by the person at this device. */
  byMe: boolean;
  durationMs: number;
}

/** A call that somebody wants to make. */
export interface Order {
  number: string;
  /** As far as it is known who that is. */
  peer?: Peer;
  via: Via;
  video: boolean;
  /** For the phone network: the price on the screen. */
  quote?: Quote;
  anonymous?: boolean;
}

type New = Partial<Omit<Call, 'key'>> & Pick<Call, 'direction' | 'peer' | 'via' | 'stage'>;

export function newCall(fields: New): Omit<Call, 'key'> {
  return {
    id: '',
    video: false,
    camera: fields.video ?? false,
    grant: undefined,
    acceptedAt: 0,
    quote: undefined,
    held: false,
    heldByPeer: false,
    warning: undefined,
    ...fields,
  };
}

/** A call that another page or another session knew. */
export function fromSnapshot(snapshot: CallSnapshot, known: Call | undefined): New {
  const accepted = snapshot.state === 'CALL_STATE_ACCEPTED';
  const rings = snapshot.state === 'CALL_STATE_RINGING' ? 'ringing' : 'placed';
  return {
    id: snapshot.callId,
    direction: snapshot.direction === 'CALL_DIRECTION_OUTGOING' ? 'outgoing' : 'incoming',
    peer: snapshot.peer,
    via: viaOf(snapshot.via),
    video: snapshot.media === 'CALL_MEDIA_VIDEO',
    stage: accepted ? 'accepted' : rings,
    grant: snapshot.grant ?? known?.grant,
    acceptedAt: accepted ? known?.acceptedAt || snapshot.acceptedAt : 0,
    held: snapshot.held,
    heldByPeer: snapshot.heldByPeer,
  };
}

export function toPlace(order: Order): Place {
  const { number, video, quote, anonymous } = order;
  const media = mediaOf(video);
  if (order.via === 'app') return { number, media };
  return {
    number,
    media,
    via: 'CALL_VIA_PHONE',
    ...(quote && { quoteId: quote.quoteId }),
    ...(anonymous && { anonymous }),
  };
}

export function mediaOf(video: boolean): CallMedia {
  return video ? 'CALL_MEDIA_VIDEO' : 'CALL_MEDIA_AUDIO';
}

export function viaOf(via: CallVia): Via {
  return via === 'CALL_VIA_PHONE' ? 'phone' : 'app';
}
