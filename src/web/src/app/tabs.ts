// Several tabs of one browser are one device. The newest tab is its voice, unless an older one is
// in the middle of a call: then the newest asks first.

type Message =
  | { kind: 'claim'; from: string }
  | { kind: 'in-call'; to: string }
  | { kind: 'take'; from: string };

export interface TabsOptions {
  /** Whether this tab is in a call that another tab should not take by just being opened. */
  inCall: () => boolean;
  /** Another tab is the device's voice now. */
  onTaken: () => void;
}

export class Tabs {
  private readonly id = Math.random().toString(36).slice(2);
  private readonly channel = new BroadcastChannel('offhook.tabs');
  private active = false;
  private refuse: (() => void) | undefined;

  constructor(private readonly options: TabsOptions) {
    this.channel.onmessage = (event: MessageEvent<Message>) => this.receive(event.data);
  }

  /** Becomes the active tab; false when another tab is in a call. */
  async claim(): Promise<boolean> {
    const refused = new Promise<boolean>((resolve) => {
      this.refuse = () => resolve(true);
      // Answers come within a few milliseconds from tabs that are awake.
      setTimeout(() => resolve(false), ANSWER_WITHIN_MS);
    });
    this.say({ kind: 'claim', from: this.id });
    const free = !(await refused);
    this.refuse = undefined;
    if (free) this.take();
    return free;
  }

  take(): void {
    this.active = true;
    this.say({ kind: 'take', from: this.id });
  }

  private receive(message: Message): void {
    if (message.kind === 'claim' && this.active && this.options.inCall()) {
      this.say({ kind: 'in-call', to: message.from });
    } else if (message.kind === 'in-call' && message.to === this.id) {
      this.refuse?.();
    } else if (message.kind === 'take' && message.from !== this.id && this.active) {
      this.active = false;
      this.options.onTaken();
    }
  }

  private say(message: Message): void {
    this.channel.postMessage(message);
  }
}

const ANSWER_WITHIN_MS = 120;
