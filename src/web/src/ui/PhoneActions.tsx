// What is seen before a call over the phone network can be placed: its price, the notice, the
// button.

import type { RequestFailed } from '../sdk';
import type { Price } from '../app/dialer';
import { rate, roundedDown } from '../app/money';
import { useValue } from '../app/observable';
import { NOT_A_NUMBER, PHONE_NOTICE, priceWords, quoteRefused, spendable } from '../app/prices';
import type { Quote } from '../sdk';
import { useApp } from './context';
import { Icon } from './icons';
import { Button } from './parts';

export function PhoneActions() {
  const app = useApp();
  const { price, anonymous } = useValue(app.dialer.state);
  const quote = price.stage === 'quoted' ? price.quote : undefined;
  return (
    <>
      <PriceBox price={price} />
      {!quote?.emergency && (
        <label class="choice hide-number">
          <input
            type="checkbox"
            checked={anonymous}
            data-testid="hide-number"
            onChange={(event) => app.dialer.hideNumber(event.currentTarget.checked)}
          />
          <span>Hide my number</span>
        </label>
      )}
      <div class="call-actions">
        <PhoneNotice id="dial-notice" />
        <Button
          type="submit"
          icon="phone"
          testid="call-phone"
          describedBy="dial-notice"
          disabled={!quote}
        >
          {callWords(quote)}
        </Button>
      </div>
    </>
  );
}

function callWords(quote: Quote | undefined): string {
  if (!quote) return 'Call';
  if (quote.emergency) return 'Emergency call';
  if (quote.perMinuteMicros === 0n) return 'Call';
  return `Call for ${rate(quote.perMinuteMicros, quote.currency)} per minute`;
}

/** Never folded away: who can hear a call must be known before it. */
export function PhoneNotice({ id }: { id: string }) {
  return (
    <p class="phone-notice" id={id} data-testid="phone-notice">
      <Icon name="unlocked" size={20} />
      <span>{PHONE_NOTICE}</span>
    </p>
  );
}

function PriceBox({ price }: { price: Price }) {
  return (
    <div class="price" role="status" data-testid="price" data-stage={price.stage}>
      <PriceText price={price} />
    </div>
  );
}

function PriceText({ price }: { price: Price }) {
  const app = useApp();
  switch (price.stage) {
    case 'none':
      return <Unasked />;
    case 'asking':
      return <p class="soft">Asking for the price…</p>;
    case 'quoted':
      return <Quoted quote={price.quote} />;
    case 'refused':
      return <Refused error={price.error} />;
    case 'stale':
      return (
        <p class="soft">
          <button class="link" type="button" onClick={() => app.dialer.refresh()}>
            Show the price
          </button>
        </p>
      );
  }
}

function Unasked() {
  const { typed } = useValue(useApp().dialer.state);
  // One digit is a beginning; letters are not.
  const wrong = typed.length > 1 || /[^\d+]/.test(typed);
  return <p class="soft">{wrong ? NOT_A_NUMBER : 'The price is shown here before you call.'}</p>;
}

function Quoted({ quote }: { quote: Quote }) {
  if (quote.emergency) {
    return (
      <>
        <strong data-testid="destination">{quote.destination || 'Emergency number'}</strong>
        <span data-testid="price-rate">
          Free, and it works without credit. Say where you are: Offhook can’t tell them.
        </span>
      </>
    );
  }
  const { price, steps, fee, lasts } = priceWords(quote);
  return (
    <>
      <strong data-testid="destination">{quote.destination}</strong>
      <span class="figures" data-testid="price-rate">
        {price}
        {steps && <span class="soft">, {steps}</span>}
      </span>
      {fee && (
        <span class="figures" data-testid="price-fee">
          {fee}
        </span>
      )}
      {lasts && (
        <span class="soft figures" data-testid="price-lasts">
          {lasts}
        </span>
      )}
    </>
  );
}

function Refused({ error }: { error: RequestFailed }) {
  const app = useApp();
  const balance = useValue(app.wallet.state);
  const { text, tone, retry } = quoteRefused(error);
  const short = error.code === 'ERROR_CODE_NO_CREDIT' && balance;
  return (
    <p class={tone} data-testid="price-refused" data-code={error.code}>
      {text}
      {short && ` You have ${roundedDown(spendable(balance), balance.currency)} to spend.`}
      {retry && (
        <>
          {' '}
          <button
            class="link"
            type="button"
            data-testid="price-retry"
            onClick={() => app.dialer.refresh()}
          >
            Try again
          </button>
        </>
      )}
    </p>
  );
}
