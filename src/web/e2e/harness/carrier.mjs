// What the script says of prices, money and past calls.

export const ME = { id: 'u', number: '+12025550105', displayName: 'Marie Curie' };
export const MOBILE = '+4915112345678';
const CENTS = { currency: 'USD' };

export const BALANCE = { bookedMicros: '4372500', creditLimitMicros: '0', ...CENTS };

export const QUOTE = {
  quoteId: 'q',
  number: MOBILE,
  destination: 'Germany, mobile',
  perMinuteMicros: '45000',
  connectionFeeMicros: '12500',
  firstIncrementS: 30,
  nextIncrementS: 6,
  validForMs: 60_000,
  longestS: 4_320,
  ...CENTS,
};

const REFUSALS = {
  '+88213123456': { code: 'ERROR_CODE_NO_CREDIT' },
  '+2456123456': {
    code: 'ERROR_CODE_NOT_PERMITTED',
    message: 'calls to this country are off for new accounts; ask support@example.net',
  },
  '+8501234567': { code: 'ERROR_CODE_NO_ROUTE' },
  '0151': { code: 'ERROR_CODE_BAD_NUMBER' },
};

export function answers() {
  const peer = { number: MOBILE, displayName: '' };
  const at = Date.now() - 3_600_000;
  const past = (callId, fields) => ({
    callId,
    direction: 'CALL_DIRECTION_OUTGOING',
    peer,
    media: 'CALL_MEDIA_AUDIO',
    cause: 'CALL_CAUSE_HUNG_UP',
    placedAt: String(at),
    acceptedAt: String(at + 8_000),
    endedAt: String(at + 200_000),
    via: 'CALL_VIA_PHONE',
    ...fields,
  });
  const calls = [
    past('c1', { cause: 'CALL_CAUSE_CREDIT_ENDED', chargeMicros: '161000', ...CENTS }),
    past('h1', { peer: {}, direction: 'CALL_DIRECTION_INCOMING', acceptedAt: '0' }),
    past('h2', { peer: { number: '+12025550101', displayName: 'Ada Lovelace' }, via: 1 }),
  ];
  const charge = {
    callId: 'c1',
    ...QUOTE,
    talkedMs: '192000',
    billedS: '198',
    amountMicros: '161000',
    mos: 421,
    closed: true,
  };
  return {
    history: () => ({ history: { calls } }),
    balance: () => ({ balance: BALANCE }),
    quote: ({ number }) => quoteFor(number),
    place: () => ({ placed: { callId: 'c1', number: MOBILE } }),
    charge: () => ({ charge }),
  };
}

function quoteFor(number) {
  const error = REFUSALS[number];
  if (error) return { error };
  const emergency = { quoteId: 'e', number, destination: 'Emergency', emergency: true, ...CENTS };
  return { quote: number === '112' ? emergency : QUOTE };
}
