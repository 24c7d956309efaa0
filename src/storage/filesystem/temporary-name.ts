import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'

/** The names under which content waits to be renamed into place. A machine that stops in between leaves such a file;
 *  Distribution 3 names its own alike. */
const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** The longest name that every common file system takes. */
const MAX_NAME_BYTES = 255

/** A new name in the same folder, and no longer than a name may be. */
export function temporaryFor(file: string): string {
  const suffix = `.${randomUUID()}.tmp`
  return `${dirname(file)}/${basename(file).slice(0, MAX_NAME_BYTES - suffix.length)}${suffix}`
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}
