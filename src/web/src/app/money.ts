// Money for reading. It comes as a bigint of millionths of a currency's main unit and stays whole
// numbers to the last digit: no float on the way.

/** What was or will be paid: exact, with the usual decimals of its currency, or more if needed. */
export function amount(micros: bigint, currency: string): string {
  return written(micros, currency, usualDecimals(currency));
}

/** A price per minute, where less than a cent matters: exact, with four decimals or more. */
export function rate(micros: bigint, currency: string): string {
  return written(micros, currency, Math.max(4, usualDecimals(currency)));
}

/** Where there is room for a glance only: never says more than there is. */
export function roundedDown(micros: bigint, currency: string): string {
  const places = usualDecimals(currency);
  const unit = 10n ** BigInt(DECIMALS - places);
  const whole = micros / unit - (micros % unit < 0n ? 1n : 0n);
  return written(whole * unit, currency, places);
}

function written(micros: bigint, currency: string, least: number): string {
  const sign = micros < 0n ? '-' : '';
  const size = micros < 0n ? -micros : micros;
  const part = String(size % UNIT).padStart(DECIMALS, '0');
  const kept = part.replace(/0+$/, '').padEnd(least, '0');
  const text = `${sign}${size / UNIT}${kept && '.'}${kept}`;
  const places = { minimumFractionDigits: kept.length, maximumFractionDigits: kept.length };
  // A text, unlike a number, is formatted to its last digit.
  return format(currency, places, text as Intl.StringNumericLiteral);
}

function format(
  currency: string,
  places: Intl.NumberFormatOptions,
  text: Intl.StringNumericLiteral,
): string {
  if (!isCurrency(currency)) return new Intl.NumberFormat(undefined, places).format(text);
  const options = { style: 'currency', currency, ...places } as const;
  return new Intl.NumberFormat(undefined, options).format(text);
}

function usualDecimals(currency: string): number {
  if (!isCurrency(currency)) return 2;
  const options = { style: 'currency', currency } as const;
  return new Intl.NumberFormat(undefined, options).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Anything else makes Intl throw. */
function isCurrency(code: string): boolean {
  return /^[A-Z]{3}$/.test(code);
}

const DECIMALS = 6;
const UNIT = 10n ** BigInt(DECIMALS);
