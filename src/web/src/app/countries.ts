// Country calling codes (ITU-T E.164 assignments), for the country picker and for showing numbers.
// Names come from the browser, in the reader's language.

const CODES =
  'AF93 AL355 DZ213 AD376 AO244 AG1 AR54 AM374 AW297 AU61 AT43 AZ994 BS1 BH973 BD880 BB1 BY375 ' +
  'BE32 BZ501 BJ229 BM1 BT975 BO591 BA387 BW267 BR55 BN673 BG359 BF226 BI257 KH855 CM237 CA1 ' +
  'CV238 KY1 CF236 TD235 CL56 CN86 CO57 KM269 CG242 CD243 CR506 CI225 HR385 CU53 CW599 CY357 ' +
  'CZ420 DK45 DJ253 DM1 DO1 EC593 EG20 SV503 GQ240 ER291 EE372 SZ268 ET251 FO298 FJ679 FI358 ' +
  'FR33 GF594 PF689 GA241 GM220 GE995 DE49 GH233 GI350 GR30 GL299 GD1 GP590 GU1 GT502 GG44 ' +
  'GN224 GW245 GY592 HT509 HN504 HK852 HU36 IS354 IN91 ID62 IR98 IQ964 IE353 IM44 IL972 IT39 ' +
  'JM1 JP81 JE44 JO962 KZ7 KE254 KI686 KW965 KG996 LA856 LV371 LB961 LS266 LR231 LY218 LI423 ' +
  'LT370 LU352 MO853 MG261 MW265 MY60 MV960 ML223 MT356 MH692 MQ596 MR222 MU230 MX52 FM691 ' +
  'MD373 MC377 MN976 ME382 MA212 MZ258 MM95 NA264 NR674 NP977 NL31 NC687 NZ64 NI505 NE227 NG234 ' +
  'KP850 MK389 NO47 OM968 PK92 PW680 PS970 PA507 PG675 PY595 PE51 PH63 PL48 PT351 PR1 QA974 ' +
  'RE262 RO40 RU7 RW250 WS685 SM378 SA966 SN221 RS381 SC248 SL232 SG65 SK421 SI386 SB677 SO252 ' +
  'ZA27 KR82 SS211 ES34 LK94 KN1 LC1 VC1 SD249 SR597 SE46 CH41 SY963 TW886 TJ992 TZ255 TH66 ' +
  'TL670 TG228 TO676 TT1 TN216 TR90 TM993 TV688 UG256 UA380 AE971 GB44 US1 UY598 UZ998 VU678 ' +
  'VA39 VE58 VN84 YE967 ZM260 ZW263';

export interface Country {
  /** ISO 3166 alpha-2. */
  iso: string;
  /** Digits without the plus. */
  code: string;
  name: string;
}

const regionNames = new Intl.DisplayNames(undefined, { type: 'region' });

export const countries: Country[] = CODES.split(' ')
  .map((entry) => {
    const iso = entry.slice(0, 2);
    return { iso, code: entry.slice(2), name: regionNames.of(iso) ?? iso };
  })
  .sort((a, b) => a.name.localeCompare(b.name));

const dialCodes = new Set(countries.map((country) => country.code));

/** The country to offer first: from the browser's language, which often carries a region. */
export function likelyCountry(): string {
  for (const language of navigator.languages) {
    const region = new Intl.Locale(language).maximize().region;
    if (region && countries.some((country) => country.iso === region)) return region;
  }
  return 'US';
}

/** "+4915112345678" as "+49 151 123 456 78": grouped to be read, not claiming a national custom. */
export function prettyNumber(number: string): string {
  if (!/^\+\d{4,15}$/.test(number)) return number;
  const digits = number.slice(1);
  const code = [3, 2, 1].map((n) => digits.slice(0, n)).find((start) => dialCodes.has(start)) ?? '';
  const rest = digits.slice(code.length);
  if (code === '1' && rest.length === 10) {
    return `+1 ${rest.slice(0, 3)} ${rest.slice(3, 6)} ${rest.slice(6)}`;
  }
  const groups = rest.match(/\d{3}(?!\d$)|\d{1,4}/g) ?? [];
  return `+${code} ${groups.join(' ')}`.replace('+ ', '+');
}

/** What was typed, without spaces, dots, dashes, brackets; undefined when it cannot be a number. */
export function dialable(typed: string): string | undefined {
  const digits = undecorated(typed);
  return /^\+?\d{4,15}$/.test(digits) ? digits : undefined;
}

/** The same for the phone network, which knows short codes such as 112 too. */
export function phoneDialable(typed: string): string | undefined {
  const digits = undecorated(typed);
  return /^(\d{2,17}|\+\d{5,15})$/.test(digits) ? digits : undefined;
}

function undecorated(typed: string): string {
  return typed.replace(/[\s().\-/]/g, '').replace(/^00/, '+');
}

/** What somebody pasted, with only what belongs to a number: links and words lose the rest. */
export function pasted(text: string): string {
  return text.replace(/^\s*(tel|sms|sip):/i, '').replace(/[^\d+*#().\-/ ]/g, '').trim();
}
