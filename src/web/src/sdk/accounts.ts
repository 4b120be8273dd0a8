// Accounts over HTTP: sign in, tokens, devices, profile.

import {
  readCodeSent,
  readDevices,
  readError,
  readTokens,
  readUser,
  type CodeSent,
  type Device,
  type ErrorCode,
  type ProtocolError,
  type Tokens,
  type User,
} from './messages';

/** The server said no, or could not be reached (`code` is then undefined). */
export class RequestFailed extends Error {
  readonly code: ErrorCode | undefined;
  /** Seconds to wait before trying again; 0 when the server named none. */
  readonly retryAfter: number;

  constructor(error: Partial<ProtocolError>) {
    super(error.message || 'the server could not be reached');
    this.name = 'RequestFailed';
    this.code = error.code;
    this.retryAfter = error.retryAfter ?? 0;
  }
}

/** Gives a bearer token that is good now; given the one that was refused, another one. */
export type BearerToken = (refused?: string) => Promise<string>;

export class Accounts {
  constructor(
    private readonly origin: string,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  async requestCode(number: string, country: string): Promise<CodeSent> {
    return readCodeSent(await this.post('auth/code', { number, country }));
  }

  async verifyCode(
    number: string,
    code: string,
    deviceName: string,
  ): Promise<Tokens> {
    return readTokens(await this.post('auth/verify', { number, code, deviceName }));
  }

  async refresh(refreshToken: string): Promise<Tokens> {
    return readTokens(await this.post('auth/refresh', { refreshToken }));
  }

  async signOut(token: BearerToken): Promise<void> {
    await this.post('auth/sign-out', {}, token);
  }

  async updateProfile(token: BearerToken, displayName: string): Promise<User> {
    return readUser(await this.post('me/update', { displayName }, token));
  }

  async devices(token: BearerToken): Promise<Device[]> {
    return readDevices(await this.post('devices/list', {}, token));
  }

  async revokeDevice(token: BearerToken, deviceId: string): Promise<void> {
    await this.post('devices/revoke', { deviceId }, token);
  }

  private async post(path: string, body: object, token?: BearerToken): Promise<unknown> {
    if (!token) return this.send(path, body);
    const first = await token();
    try {
      return await this.send(path, body, first);
    } catch (error) {
      const code = error instanceof RequestFailed ? error.code : undefined;
      if (code !== 'ERROR_CODE_UNAUTHENTICATED') throw error;
      return this.send(path, body, await token(first));
    }
  }

  private async send(path: string, body: object, bearer?: string): Promise<unknown> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (bearer) headers.authorization = `Bearer ${bearer}`;
    let response: Response;
    let json: unknown;
    try {
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      response = await this.fetcher(`${this.origin}/v1/${path}`, init);
    } catch {
      throw new RequestFailed({});
    }
    try {
      json = await response.json();
    } catch {
      json = undefined;
    }
    if (response.ok) return json;
    const error = readError(json);
    if (error.code !== 'ERROR_CODE_UNSPECIFIED') throw new RequestFailed(error);
    throw new RequestFailed({ code: codeOfStatus(response.status) });
  }
}

/** For answers that did not come from our own server code, such as a proxy's. */
function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'ERROR_CODE_UNAUTHENTICATED';
  if (status === 429) return 'ERROR_CODE_RATE_LIMITED';
  if (status === 502 || status === 503 || status === 504) return 'ERROR_CODE_UNAVAILABLE';
  return status < 500 ? 'ERROR_CODE_BAD_REQUEST' : 'ERROR_CODE_INTERNAL';
}
