// Reading protobuf JSON that may come from an older or a newer server: what is missing or odd has
// its default value.

export type Fields = Record<string, unknown>;

export function object(json: unknown): Fields | undefined {
  const plain = typeof json === 'object' && json !== null && !Array.isArray(json);
  return plain ? (json as Fields) : undefined;
}

export function text(json: unknown): string {
  return typeof json === 'string' ? json : '';
}

export function int(json: unknown): number {
  const value = typeof json === 'string' ? Number(json) : json;
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** A 64-bit integer to its last digit, as money needs it. */
export function big(json: unknown): bigint {
  if (typeof json === 'string' && /^-?\d+$/.test(json)) return BigInt(json);
  return Number.isSafeInteger(json) ? BigInt(json as number) : 0n;
}

export function list<T>(json: unknown, read: (item: unknown) => T): T[] {
  return Array.isArray(json) ? json.map(read) : [];
}

/** Protobuf JSON writes an enum by name, but readers must take its number too. */
export function oneOf<const T extends readonly string[]>(names: T, json: unknown): T[number] {
  const name = typeof json === 'number' ? names[json] : json;
  return names.find((known) => known === name) ?? (names[0] as T[number]);
}
