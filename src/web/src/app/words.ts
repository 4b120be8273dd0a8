// Everything the app says about calls and failures, in words that a person understands.

import { RequestFailed, type CallCause, type Peer } from '../sdk';
import type { Ended } from './call';
import { prettyNumber } from './countries';
import type { Via } from './dialer';
import { HIDDEN_NUMBER, phoneRefused } from './prices';
import { spoken, waiting } from './times';

export function peerName(peer: Peer): string {
  return peer.displayName || prettyNumber(peer.number) || HIDDEN_NUMBER;
}

/** Why a call ended: a short headline and, where it helps, one more sentence. */
export function endedWords(ended: Ended): { title: string; detail: string } {
  const name = peerName(ended.peer);
  if (ended.direction === 'incoming' && !ended.durationMs) return missedWords(ended, name);
  const lasted = ended.durationMs ? `You talked for ${spoken(ended.durationMs)}.` : '';
  const phone = ended.via === 'phone' ? phoneWords(ended.cause, name, lasted) : undefined;
  return phone ?? appWords(ended, lasted);
}

/** Where the phone network makes a difference. */
function phoneWords(cause: CallCause, name: string, lasted: string) {
  switch (cause) {
    case 'CALL_CAUSE_NO_ANSWER':
      return { title: `${name} didn’t answer`, detail: '' };
    case 'CALL_CAUSE_UNAVAILABLE':
      return {
        title: `${name} can’t be reached`,
        detail: 'The number may not exist, or its phone may be switched off.',
      };
    case 'CALL_CAUSE_INVALID_NUMBER':
      return { title: 'The number can’t be called', detail: 'Check it and try again.' };
    case 'CALL_CAUSE_NOT_PERMITTED':
      return { title: 'Your account can’t call there', detail: '' };
    case 'CALL_CAUSE_NO_CREDIT':
      return { title: 'Not enough credit', detail: 'Your balance doesn’t pay for this call.' };
    case 'CALL_CAUSE_CREDIT_ENDED':
      return { title: 'Your credit ran out', detail: lasted };
    case 'CALL_CAUSE_CARRIER':
      return {
        title: 'The phone network couldn’t take the call',
        detail: 'Nothing was charged. Try again in a moment.',
      };
    default:
      return undefined;
  }
}

function appWords(ended: Ended, lasted: string): { title: string; detail: string } {
  const name = peerName(ended.peer);
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
  if (accepted) return CUT_OFF[cause] ?? '';
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
    case 'CALL_CAUSE_NO_CREDIT':
      return 'No credit';
    case 'CALL_CAUSE_NOT_PERMITTED':
      return 'Not permitted';
    case 'CALL_CAUSE_INVALID_NUMBER':
      return 'Not a number';
    default:
      return incoming ? 'Missed' : 'Not connected';
  }
}

const CUT_OFF: Partial<Record<CallCause, string>> = {
  CALL_CAUSE_CONNECTION_LOST: 'Connection lost',
  CALL_CAUSE_CREDIT_ENDED: 'Credit ran out',
};

/** A call that could not be placed or answered. */
export function callRefused(error: RequestFailed, via: Via): string {
  const phone = via === 'phone' ? phoneRefused(error) : undefined;
  if (phone) return phone;
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

/** How a call came to its end, for the page about it. */
export function causeWords(cause: CallCause, incoming: boolean): string {
  if (cause === 'CALL_CAUSE_CANCELLED') return incoming ? 'The caller gave up' : 'You cancelled it';
  return CAUSE_WORDS[cause];
}

const CAUSE_WORDS: Record<Exclude<CallCause, 'CALL_CAUSE_CANCELLED'>, string> = {
  CALL_CAUSE_UNSPECIFIED: 'Not known',
  CALL_CAUSE_HUNG_UP: 'Hung up',
  CALL_CAUSE_DECLINED: 'Declined',
  CALL_CAUSE_BUSY: 'The line was busy',
  CALL_CAUSE_NO_ANSWER: 'Nobody answered',
  CALL_CAUSE_UNAVAILABLE: 'Could not be reached',
  CALL_CAUSE_ANSWERED_ELSEWHERE: 'Answered on another device',
  CALL_CAUSE_DECLINED_ELSEWHERE: 'Declined on another device',
  CALL_CAUSE_CONNECTION_LOST: 'The connection was lost',
  CALL_CAUSE_TIME_LIMIT: 'The longest call allowed was reached',
  CALL_CAUSE_SERVER: 'Something went wrong on our side',
  CALL_CAUSE_INVALID_NUMBER: 'The number can’t be called',
  CALL_CAUSE_NOT_PERMITTED: 'Your account can’t call there',
  CALL_CAUSE_NO_CREDIT: 'The balance did not pay for it',
  CALL_CAUSE_CREDIT_ENDED: 'The balance was used up',
  CALL_CAUSE_CARRIER: 'The phone network could not take it',
};
