// The programs that stories run: named in the environment, or else found where they are built.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');

/** A program of this repository; `variable` names another build of it. */
export function built(name, variable) {
  if (process.env[variable]) return process.env[variable];
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');
  const files = ['debug', 'release'].map((profile) => path.join(target, profile, name));
  const found = files.find((file) => existsSync(file));
  if (!found) throw new Error(`no ${name} binary: build it, or name it in ${variable}`);
  return found;
}
