import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'

/** Names of temporary files, which are renamed into place. A crash may leave them. Distribution 3 uses
 *  similar names. */
const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** The longest name that all common file systems support. */
const MAX_NAME_BYTES = 255

/** A new temporary name in the same folder, within the limit of names. */
export function temporaryFor(file: string): string {
  const suffix = `.${randomUUID()}.tmp`
  return `${dirname(file)}/${basename(file).slice(0, MAX_NAME_BYTES - suffix.length)}${suffix}`
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}
