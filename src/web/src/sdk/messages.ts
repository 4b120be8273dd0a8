// The words of proto/client/v1 in TypeScript, and their protobuf JSON form (lowerCamelCase names,
// 64-bit integers as strings, enums by name, fields with default values left out).
//
// Times and sequence numbers are plain numbers in here: milliseconds since 1970 and event counts
// stay far below 2^53. Money is a bigint.

import {
  CALL_STATES,
  CAUSES,
  DIRECTIONS,
  ERROR_CODES,
  MEDIA,
  VIAS,
  type CallCause,
  type CallDirection,
  type CallMedia,
  type CallState,
  type CallVia,
  type ErrorCode,
} from './enums';
import { big, int, list, object, oneOf, text, type Fields } from './json';
import {
  readBalance,
  readCharge,
  readQuote,
  type Balance,
  type Charge,
  type Quote,
} from './phone';

export type { CallCause, CallDirection, CallMedia, CallState, CallVia, ErrorCode } from './enums';

export interface User {
  id: string;
  number: string;
  displayName: string;
}

export interface Device {
  id: string;
  name: string;
  createdAt: number;
  lastSeenAt: number;
  current: boolean;
}

export interface Tokens {
  accessToken: string;
  accessExpiresAt: number;
  refreshToken: string;
  user: User;
  device: Device;
}

export interface CodeSent {
  expiresIn: number;
  retryAfter: number;
  number: string;
}

export interface Peer {
  number: string;
  displayName: string;
}

export interface MediaGrant {
  url: string;
  token: string;
  room: string;
}

export interface CallSnapshot {
  callId: string;
  direction: CallDirection;
  state: CallState;
  peer: Peer;
  media: CallMedia;
  grant: MediaGrant | undefined;
  acceptedAt: number;
  ringsForMs: number;
  via: CallVia;
  /** By whom a call over the phone network is held. */
  held: boolean;
  heldByPeer: boolean;
}

export interface HistoryEntry {
  callId: string;
  direction: CallDirection;
  peer: Peer;
  media: CallMedia;
  cause: CallCause;
  placedAt: number;
  acceptedAt: number;
  endedAt: number;
  via: CallVia;
  chargeMicros: bigint;
  currency: string;
}

export interface Connected {
  sessionId: string;
  resumed: boolean;
  user: User;
  pingIntervalMs: number;
  resumeWindowMs: number;
  calls: CallSnapshot[];
}

export interface ProtocolError {
  code: ErrorCode;
  message: string;
  retryAfter: number;
}

/** What a device asks for; the envelope with its number is put around it by the session. */
export type Request =
  | { place: Place }
  | { ringAck: { callId: string } }
  | { accept: { callId: string; media: CallMedia } }
  | { decline: { callId: string } }
  | { cancel: { callId: string } }
  | { hangUp: { callId: string } }
  | { history: { before?: string; limit?: number } }
  | { quote: { number: string } }
  | { balance: Record<string, never> }
  | { press: { callId: string; keys: string } }
  | { hold: { callId: string; held: boolean } }
  | { charge: { callId: string } };

export interface Place {
  number: string;
  media: CallMedia;
  /** Left out, it is a call to the app. */
  via?: CallVia;
  /** The quote that the caller agreed to. */
  quoteId?: string;
  anonymous?: boolean;
}

/** An answer to one request. */
export type Reply =
  | { kind: 'connected'; connected: Connected }
  | { kind: 'error'; error: ProtocolError }
  | { kind: 'pong' }
  | { kind: 'placed'; callId: string; number: string }
  | { kind: 'done' }
  | { kind: 'history'; calls: HistoryEntry[]; more: boolean }
  | { kind: 'quote'; quote: Quote }
  | { kind: 'balance'; balance: Balance }
  | { kind: 'charge'; charge: Charge };

/** Something that happened to a call. */
export type CallEvent =
  | Incoming
  | { kind: 'ringing'; callId: string }
  | { kind: 'progress'; callId: string; grant: MediaGrant | undefined }
  | { kind: 'accepted'; callId: string; grant: MediaGrant | undefined; acceptedAt: number }
  | { kind: 'held'; callId: string; held: boolean; byPeer: boolean }
  | { kind: 'warning'; callId: string; leftMs: number; cause: CallCause }
  | { kind: 'ended'; callId: string; cause: CallCause; durationMs: number };

export interface Incoming {
  kind: 'incoming';
  callId: string;
  from: Peer;
  media: CallMedia;
  ringsForMs: number;
  via: CallVia;
}

/** Everything that arrives unasked. */
export type SessionEvent = CallEvent | { kind: 'balance'; balance: Balance };

export interface ServerMessage {
  seq: number;
  replyTo: number;
  /** Undefined for a message from a newer server that this client has no word for. */
  body: Reply | SessionEvent | undefined;
}

/** Reads a text frame; undefined when it is not a message at all. */
export function readServerMessage(text: string): ServerMessage | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const fields = object(json);
  if (!fields) return undefined;
  return { seq: int(fields.seq), replyTo: int(fields.replyTo), body: readBody(fields) };
}

function readBody(m: Fields): Reply | SessionEvent | undefined {
  return readReply(m) ?? readEvent(m);
}

function readReply(m: Fields): Reply | undefined {
  const of = (name: string): Fields | undefined => object(m[name]);
  let f: Fields | undefined;
  if ((f = of('connected'))) return { kind: 'connected', connected: readConnected(f) };
  if ((f = of('error'))) return { kind: 'error', error: readError(f) };
  if (of('pong')) return { kind: 'pong' };
  if ((f = of('placed'))) {
    return { kind: 'placed', callId: text(f.callId), number: text(f.number) };
  }
  if (of('done')) return { kind: 'done' };
  if ((f = of('history'))) {
    return { kind: 'history', calls: list(f.calls, readHistoryEntry), more: f.more === true };
  }
  if ((f = of('quote'))) return { kind: 'quote', quote: readQuote(f) };
  if ((f = of('balance'))) return { kind: 'balance', balance: readBalance(f) };
  if ((f = of('charge'))) return { kind: 'charge', charge: readCharge(f) };
  return undefined;
}

function readEvent(m: Fields): CallEvent | undefined {
  const kind = EVENTS.find((name) => object(m[name]));
  const f = kind && object(m[kind]);
  if (!f) return undefined;
  const callId = text(f.callId);
  switch (kind) {
    case 'incoming':
      return { kind, callId, ...readIncoming(f) };
    case 'ringing':
      return { kind, callId };
    case 'progress':
      return { kind, callId, grant: readGrant(f.grant) };
    case 'accepted':
      return { kind, callId, grant: readGrant(f.grant), acceptedAt: int(f.acceptedAt) };
    case 'held':
      return { kind, callId, held: f.held === true, byPeer: f.byPeer === true };
    case 'warning':
      return { kind, callId, leftMs: int(f.leftMs), cause: oneOf(CAUSES, f.cause) };
    case 'ended':
      return { kind, callId, cause: oneOf(CAUSES, f.cause), durationMs: int(f.durationMs) };
  }
}

function readIncoming(f: Fields) {
  return {
    from: readPeer(f.from),
    media: readMedia(f.media),
    ringsForMs: int(f.ringsForMs),
    via: oneOf(VIAS, f.via),
  };
}

export function readError(json: unknown): ProtocolError {
  const f = object(json) ?? {};
  return {
    code: oneOf(ERROR_CODES, f.code),
    message: text(f.message),
    retryAfter: int(f.retryAfter),
  };
}

export function readTokens(json: unknown): Tokens {
  const f = object(json) ?? {};
  return {
    accessToken: text(f.accessToken),
    accessExpiresAt: int(f.accessExpiresAt),
    refreshToken: text(f.refreshToken),
    user: readUser(f.user),
    device: readDevice(f.device),
  };
}

export function readCodeSent(json: unknown): CodeSent {
  const f = object(json) ?? {};
  const number = text(f.number);
  return { expiresIn: int(f.expiresIn), retryAfter: int(f.retryAfter), number };
}

export function readUser(json: unknown): User {
  const f = object(json) ?? {};
  return { id: text(f.id), number: text(f.number), displayName: text(f.displayName) };
}

export function readDevices(json: unknown): Device[] {
  return list((object(json) ?? {}).devices, readDevice);
}

function readDevice(json: unknown): Device {
  const f = object(json) ?? {};
  return {
    id: text(f.id),
    name: text(f.name),
    createdAt: int(f.createdAt),
    lastSeenAt: int(f.lastSeenAt),
    current: f.current === true,
  };
}

function readConnected(f: Fields): Connected {
  return {
    sessionId: text(f.sessionId),
    resumed: f.resumed === true,
    user: readUser(f.user),
    pingIntervalMs: int(f.pingIntervalMs),
    resumeWindowMs: int(f.resumeWindowMs),
    calls: list(f.calls, readSnapshot),
  };
}

function readSnapshot(json: unknown): CallSnapshot {
  const f = object(json) ?? {};
  return {
    callId: text(f.callId),
    direction: oneOf(DIRECTIONS, f.direction),
    state: oneOf(CALL_STATES, f.state),
    peer: readPeer(f.peer),
    media: readMedia(f.media),
    grant: readGrant(f.grant),
    acceptedAt: int(f.acceptedAt),
    ringsForMs: int(f.ringsForMs),
    via: oneOf(VIAS, f.via),
    held: f.held === true,
    heldByPeer: f.heldByPeer === true,
  };
}

function readHistoryEntry(json: unknown): HistoryEntry {
  const f = object(json) ?? {};
  return {
    callId: text(f.callId),
    direction: oneOf(DIRECTIONS, f.direction),
    peer: readPeer(f.peer),
    media: readMedia(f.media),
    cause: oneOf(CAUSES, f.cause),
    placedAt: int(f.placedAt),
    acceptedAt: int(f.acceptedAt),
    endedAt: int(f.endedAt),
    via: oneOf(VIAS, f.via),
    chargeMicros: big(f.chargeMicros),
    currency: text(f.currency),
  };
}

function readPeer(json: unknown): Peer {
  const f = object(json) ?? {};
  return { number: text(f.number), displayName: text(f.displayName) };
}

function readGrant(json: unknown): MediaGrant | undefined {
  const f = object(json);
  return f && { url: text(f.url), token: text(f.token), room: text(f.room) };
}

function readMedia(json: unknown): CallMedia {
  return oneOf(MEDIA, json);
}

const EVENTS = [
  'incoming',
  'ringing',
  'progress',
  'accepted',
  'held',
  'warning',
  'ended',
] as const satisfies readonly CallEvent['kind'][];
