// The words of proto/client/v1 in TypeScript, and their protobuf JSON form (lowerCamelCase names,
// 64-bit integers as strings, enums by name, fields with default values left out).
//
// Times and sequence numbers are plain numbers in here: milliseconds since 1970 and event counts
// stay far below 2^53.

export type CallMedia = 'CALL_MEDIA_UNSPECIFIED' | 'CALL_MEDIA_AUDIO' | 'CALL_MEDIA_VIDEO';
export type CallState = (typeof CALL_STATES)[number];
export type CallDirection = (typeof DIRECTIONS)[number];
export type CallCause = (typeof CAUSES)[number];
export type ErrorCode = (typeof ERROR_CODES)[number];

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
  | { place: { number: string; media: CallMedia } }
  | { ringAck: { callId: string } }
  | { accept: { callId: string; media: CallMedia } }
  | { decline: { callId: string } }
  | { cancel: { callId: string } }
  | { hangUp: { callId: string } }
  | { history: { before?: string; limit?: number } };

/** An answer to one request. */
export type Reply =
  | { kind: 'connected'; connected: Connected }
  | { kind: 'error'; error: ProtocolError }
  | { kind: 'pong' }
  | { kind: 'placed'; callId: string; number: string }
  | { kind: 'done' }
  | { kind: 'history'; calls: HistoryEntry[]; more: boolean };

/** Something that happened to a call. */
export type CallEvent =
  | { kind: 'incoming'; callId: string; from: Peer; media: CallMedia; ringsForMs: number }
  | { kind: 'ringing'; callId: string }
  | { kind: 'accepted'; callId: string; grant: MediaGrant | undefined; acceptedAt: number }
  | { kind: 'ended'; callId: string; cause: CallCause; durationMs: number };

export interface ServerMessage {
  seq: number;
  replyTo: number;
  /** Undefined for a message from a newer server that this client has no word for. */
  body: Reply | CallEvent | undefined;
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

function readBody(m: Fields): Reply | CallEvent | undefined {
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
  if ((f = of('incoming'))) {
    const media = readMedia(f.media);
    const ringsForMs = int(f.ringsForMs);
    return { kind: 'incoming', callId: text(f.callId), from: readPeer(f.from), media, ringsForMs };
  }
  if ((f = of('ringing'))) return { kind: 'ringing', callId: text(f.callId) };
  if ((f = of('accepted'))) {
    const grant = readGrant(f.grant);
    return { kind: 'accepted', callId: text(f.callId), grant, acceptedAt: int(f.acceptedAt) };
  }
  if ((f = of('ended'))) {
    const cause = oneOf(CAUSES, f.cause);
    return { kind: 'ended', callId: text(f.callId), cause, durationMs: int(f.durationMs) };
  }
  return undefined;
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

type Fields = Record<string, unknown>;

function object(json: unknown): Fields | undefined {
  const plain = typeof json === 'object' && json !== null && !Array.isArray(json);
  return plain ? (json as Fields) : undefined;
}

function text(json: unknown): string {
  return typeof json === 'string' ? json : '';
}

function int(json: unknown): number {
  const value = typeof json === 'string' ? Number(json) : json;
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function list<T>(json: unknown, read: (item: unknown) => T): T[] {
  return Array.isArray(json) ? json.map(read) : [];
}

/** Protobuf JSON writes an enum by name, but readers must take its number too. */
function oneOf<const T extends readonly string[]>(names: T, json: unknown): T[number] {
  const name = typeof json === 'number' ? names[json] : json;
  return names.find((known) => known === name) ?? (names[0] as T[number]);
}

const MEDIA = ['CALL_MEDIA_UNSPECIFIED', 'CALL_MEDIA_AUDIO', 'CALL_MEDIA_VIDEO'] as const;

const CALL_STATES = [
  'CALL_STATE_UNSPECIFIED',
  'CALL_STATE_PLACED',
  'CALL_STATE_RINGING',
  'CALL_STATE_ACCEPTED',
] as const;

const DIRECTIONS = [
  'CALL_DIRECTION_UNSPECIFIED',
  'CALL_DIRECTION_OUTGOING',
  'CALL_DIRECTION_INCOMING',
] as const;

const CAUSES = [
  'CALL_CAUSE_UNSPECIFIED',
  'CALL_CAUSE_HUNG_UP',
  'CALL_CAUSE_DECLINED',
  'CALL_CAUSE_BUSY',
  'CALL_CAUSE_CANCELLED',
  'CALL_CAUSE_NO_ANSWER',
  'CALL_CAUSE_UNAVAILABLE',
  'CALL_CAUSE_ANSWERED_ELSEWHERE',
  'CALL_CAUSE_DECLINED_ELSEWHERE',
  'CALL_CAUSE_CONNECTION_LOST',
  'CALL_CAUSE_TIME_LIMIT',
  'CALL_CAUSE_SERVER',
] as const;

const ERROR_CODES = [
  'ERROR_CODE_UNSPECIFIED',
  'ERROR_CODE_BAD_REQUEST',
  'ERROR_CODE_UNAUTHENTICATED',
  'ERROR_CODE_BAD_CODE',
  'ERROR_CODE_NO_SUCH_CALL',
  'ERROR_CODE_WRONG_STATE',
  'ERROR_CODE_IN_CALL',
  'ERROR_CODE_RATE_LIMITED',
  'ERROR_CODE_BAD_NUMBER',
  'ERROR_CODE_UNAVAILABLE',
  'ERROR_CODE_SESSION_GONE',
  'ERROR_CODE_INTERNAL',
] as const;
