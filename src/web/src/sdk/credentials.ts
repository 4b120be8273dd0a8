// The device's tokens: kept in the browser's storage, shared by all tabs, renewed in time.

import { RequestFailed, type Accounts } from './accounts';
import type { Tokens, User } from './messages';

/** Where the tokens are kept; `localStorage` in the app. */
export type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Runs one task at a time across all tabs of this browser. */
export type Exclusive = <T>(task: () => Promise<T>) => Promise<T>;

const KEY = 'offhook.tokens';

/** Renewed this long before the end, so that a request in flight does not outlive its token. */
const MARGIN_MS = 30_000;

export class Credentials {
  private current: Tokens | undefined;
  private renewal: Promise<void> | undefined;

  constructor(
    private readonly accounts: Pick<Accounts, 'refresh'>,
    private readonly storage: Storage,
    private readonly exclusive: Exclusive = acrossTabs,
  ) {
    this.reload();
  }

  get user(): User | undefined {
    return this.current?.user;
  }

  get signedIn(): boolean {
    return this.current !== undefined;
  }

  /** Reads what another tab may have written. */
  reload(): void {
    const text = this.storage.getItem(KEY);
    try {
      this.current = text ? (JSON.parse(text) as Tokens) : undefined;
    } catch {
      this.current = undefined;
    }
  }

  keep(tokens: Tokens): void {
    this.current = tokens;
    this.storage.setItem(KEY, JSON.stringify(tokens));
  }

  rename(user: User): void {
    if (this.current) this.keep({ ...this.current, user });
  }

  forget(): void {
    this.current = undefined;
    this.storage.removeItem(KEY);
  }

  /**
   * A token that is good now. With `refused`, the token that the server would not take: it is
   * renewed even if it looks good, since this machine's clock may be wrong.
   */
  async bearer(refused?: string): Promise<string> {
    const good = this.goodToken(refused);
    if (good) return good;
    this.renewal ??= this.renew(refused).finally(() => (this.renewal = undefined));
    await this.renewal;
    const token = this.current?.accessToken;
    if (!token) throw new RequestFailed({ code: 'ERROR_CODE_UNAUTHENTICATED' });
    return token;
  }

  private goodToken(refused: string | undefined): string | undefined {
    const tokens = this.current;
    if (!tokens || tokens.accessToken === refused) return undefined;
    return tokens.accessExpiresAt - MARGIN_MS > Date.now() ? tokens.accessToken : undefined;
  }

  /**
   * A refresh token works once, and using it twice revokes the device. So only one tab renews at a
   * time, and each looks first whether another one just did.
   */
  private renew(refused: string | undefined): Promise<void> {
    return this.exclusive(async () => {
      this.reload();
      if (this.goodToken(refused)) return;
      const refreshToken = this.current?.refreshToken;
      if (!refreshToken) throw new RequestFailed({ code: 'ERROR_CODE_UNAUTHENTICATED' });
      try {
        this.keep(await this.accounts.refresh(refreshToken));
      } catch (error) {
        const code = error instanceof RequestFailed ? error.code : undefined;
        if (code === 'ERROR_CODE_UNAUTHENTICATED') this.forget();
        throw error;
      }
    });
  }
}

/** Web Locks exist in secure contexts only; without them a race between tabs is left to chance. */
function acrossTabs<T>(task: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  return locks ? (locks.request('offhook.tokens', task) as Promise<T>) : task();
}
