// Everything the app says about calls and failures, in words that a person understands.

import { RequestFailed, type CallCause, type Peer } from '../sdk';
import type { Ended } from './calls';
import { prettyNumber } from './countries';

export function peerName(peer: Peer): string {
  return peer.displayName || prettyNumber(peer.number) || 'Unknown caller';
}

/** Why a call ended: a short headline and, where it helps, one more sentence. */
export function endedWords(ended: Ended): { title: string; detail: string } {
  const name = peerName(ended.peer);
  if (ended.direction === 'incoming' && !ended.durationMs) return missedWords(ended, name);
  const lasted = ended.durationMs ? `You talked for ${spoken(ended.durationMs)}.` : '';
  switch (ended.cause) {
    case 'CALL_CAUSE_DECLINED':
      return { title: `${name} declined the call`, detail: 'You can try again later.' };
    case 'CALL_CAUSE_BUSY':
      return { title: `${name} is on another call`, detail: 'Try again in a few minutes.' };
    case 'CALL_CAUSE_NO_ANSWER':
      return { title: `${name} didn’t answer`, detail: 'They will see that you called.' };
    case 'CALL_CAUSE_UNAVAILABLE':
      return {
        title: `${name} can’t be reached`,
        detail: 'The number may not be on Offhook, or no device of theirs is online right now.',
      };
    case 'CALL_CAUSE_CANCELLED':
      return { title: 'Call cancelled', detail: '' };
    case 'CALL_CAUSE_CONNECTION_LOST':
      return { title: 'The connection was lost', detail: lasted || 'Check your network.' };
    case 'CALL_CAUSE_TIME_LIMIT':
      return { title: 'The call reached its longest time', detail: lasted };
    case 'CALL_CAUSE_SERVER':
      return {
        title: 'The call had to end',
        detail: 'Something went wrong on our side. Please call again.',
      };
    case 'CALL_CAUSE_ANSWERED_ELSEWHERE':
      return { title: 'Answered on another device', detail: '' };
    default:
      return { title: ended.byMe ? 'Call ended' : `${name} ended the call`, detail: lasted };
  }
}

function missedWords(ended: Ended, name: string): { title: string; detail: string } {
  switch (ended.cause) {
    case 'CALL_CAUSE_ANSWERED_ELSEWHERE':
      return { title: 'Answered on another device', detail: `You are talking to ${name} there.` };
    case 'CALL_CAUSE_DECLINED_ELSEWHERE':
      return { title: 'Declined on another device', detail: '' };
    case 'CALL_CAUSE_CONNECTION_LOST':
      return { title: 'The connection was lost', detail: `${name} was calling you.` };
    case 'CALL_CAUSE_SERVER':
      return { title: 'The call could not be connected', detail: 'Please call back.' };
    default:
      return { title: `Missed call from ${name}`, detail: '' };
  }
}

/** One word or two for a line of the history. */
export function outcomeWords(cause: CallCause, incoming: boolean, accepted: boolean): string {
  if (accepted) return cause === 'CALL_CAUSE_CONNECTION_LOST' ? 'Connection lost' : '';
  switch (cause) {
    case 'CALL_CAUSE_DECLINED':
    case 'CALL_CAUSE_DECLINED_ELSEWHERE':
      return 'Declined';
    case 'CALL_CAUSE_BUSY':
      return incoming ? 'Missed' : 'Busy';
    case 'CALL_CAUSE_CANCELLED':
      return incoming ? 'Missed' : 'Cancelled';
    case 'CALL_CAUSE_NO_ANSWER':
      return incoming ? 'Missed' : 'No answer';
    case 'CALL_CAUSE_UNAVAILABLE':
      return incoming ? 'Missed' : 'Not reached';
    default:
      return incoming ? 'Missed' : 'Not connected';
  }
}

/** A call that could not be placed or answered. */
export function callRefused(error: RequestFailed): string {
  switch (error.code) {
    case 'ERROR_CODE_BAD_NUMBER':
    case 'ERROR_CODE_BAD_REQUEST':
      return 'That number can’t be called. Check it, and start with + and the country code.';
    case 'ERROR_CODE_IN_CALL':
      return 'You are in a call on another device already.';
    case 'ERROR_CODE_RATE_LIMITED':
      return `That was many calls in a short time. Try again in ${waiting(error.retryAfter)}.`;
    case 'ERROR_CODE_UNAVAILABLE':
      return 'Offhook can’t take new calls right now. Try again in a moment.';
    case 'ERROR_CODE_SESSION_GONE':
    case undefined:
      return 'The call didn’t go out: there is no connection to Offhook.';
    default:
      return 'The call didn’t go out. Please try again.';
  }
}

export function signInRefused(error: unknown, step: 'number' | 'code'): string {
  const failed = error instanceof RequestFailed ? error : new RequestFailed({});
  switch (failed.code) {
    case 'ERROR_CODE_BAD_NUMBER':
    case 'ERROR_CODE_BAD_REQUEST':
      if (step === 'code') return 'The code has six digits. Check it and try again.';
      return 'That doesn’t look like a phone number in this country.';
    case 'ERROR_CODE_BAD_CODE':
      return 'That code is not right, or it has expired. Check it, or ask for a new one.';
    case 'ERROR_CODE_RATE_LIMITED':
      return `Too many attempts. Try again in ${waiting(failed.retryAfter)}.`;
    case 'ERROR_CODE_UNAVAILABLE':
      return 'Offhook can’t sign anyone in right now. Try again in a moment.';
    case undefined:
      return 'Offhook can’t be reached. Check your connection and try again.';
    default:
      return 'Something went wrong on our side. Please try again.';
  }
}

export function waiting(seconds: number): string {
  if (seconds <= 0) return 'a moment';
  if (seconds < 90) return `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}

/** 3:07 or 1:02:09. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "11 min 54 s": cannot be taken for a time of day. */
export function brief(ms: number): string {
  const total = Math.max(1, Math.round(ms / 1000));
  const units: [number, string][] = [
    [Math.floor(total / 3600), 'h'],
    [Math.floor(total / 60) % 60, 'min'],
    [total % 60, 's'],
  ];
  const parts = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`);
  return parts.slice(0, 2).join(' ');
}

/** "2 minutes 5 seconds", for sentences and screen readers. */
export function spoken(ms: number): string {
  const total = Math.max(1, Math.round(ms / 1000));
  const units: [number, string][] = [
    [Math.floor(total / 3600), 'hour'],
    [Math.floor(total / 60) % 60, 'minute'],
    [total % 60, 'second'],
  ];
  const parts = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}${n > 1 ? 's' : ''}`);
  return parts.slice(0, 2).join(' ');
}

/** Short: today the time, this week the day, before that the date. */
export function when(ms: number, now = Date.now()): string {
  const date = new Date(ms);
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (ms >= midnight) {
    return new Intl.DateTimeFormat(undefined, { timeStyle: 'short' }).format(date);
  }
  if (ms >= midnight - DAY_MS) return 'Yesterday';
  if (ms >= midnight - 6 * DAY_MS) {
    return new Intl.DateTimeFormat(undefined, { weekday: 'long' }).format(date);
  }
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }).format(date);
}

const DAY_MS = 86_400_000;
