// Getting somebody to look: the page's title flashes and, where allowed, the system shows a note.

const TITLE = 'Offhook';

export class Attention {
  private flashing: ReturnType<typeof setInterval> | undefined;
  private note: Notification | undefined;

  start(who: string, video: boolean): void {
    this.stop();
    let on = false;
    const flash = () => {
      on = !on;
      document.title = on ? `${who} is calling` : TITLE;
    };
    flash();
    this.flashing = setInterval(flash, 1000);
    if (document.hidden) this.notify(who, video);
  }

  stop(): void {
    clearInterval(this.flashing);
    document.title = TITLE;
    this.note?.close();
    this.note = undefined;
  }

  private notify(who: string, video: boolean): void {
    if (!('Notification' in globalThis) || Notification.permission !== 'granted') return;
    try {
      this.note = new Notification(`${who} is calling`, {
        body: video ? 'Video call. Open Offhook to answer.' : 'Open Offhook to answer.',
        tag: 'offhook.call',
        requireInteraction: true,
      });
      this.note.onclick = () => {
        globalThis.focus();
        this.note?.close();
      };
    } catch {
      // Chrome on Android allows notes from service workers only.
    }
  }
}
