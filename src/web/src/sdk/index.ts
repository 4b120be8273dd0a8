// The client side of proto/client/v1: everything an app needs to sign in, call and be called. The
// media of an accepted call is joined with livekit-client, using the call's MediaGrant.

export { Accounts, RequestFailed } from './accounts';
export { Backoff } from './backoff';
export { Credentials } from './credentials';
export * from './messages';
export { KEYS_AT_ONCE, Phone, type Balance, type Charge, type Quote } from './phone';
export { CLOSE_REPLACED, Session, type Phase, type SessionOptions } from './session';
