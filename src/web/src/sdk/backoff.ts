// How long to wait before the next attempt to connect.

/** Exponential delays with jitter; `reset` after a success. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs = 400,
    private readonly longestMs = 10_000,
    private readonly random: () => number = Math.random,
  ) {}

  /**
   * The delay before the next attempt. It is spread over the whole second half of the step, so that
   * the clients of a restarted server do not come back in one wave.
   */
  next(): number {
    const step = Math.min(this.longestMs, this.firstMs * 2 ** this.attempt);
    this.attempt = Math.min(this.attempt + 1, 16);
    return Math.round(step / 2 + (step / 2) * this.random());
  }

  reset(): void {
    this.attempt = 0;
  }
}
