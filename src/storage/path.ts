import { StorageError } from '../core/errors.ts'

const PATH = /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._-]+)+$/
const NAME = /^(?!\.\.?$)[A-Za-z0-9._-]+$/

/** The path as it came, once it is known to have the form every driver takes. It cannot lead out of a driver's root.
 *  @throws StorageError PATH_INVALID */
export function requirePath(path: string): string {
  if (!PATH.test(path)) throw new StorageError('PATH_INVALID', { path })
  return path
}

/** True for what every driver takes as a path. */
export function isPath(path: string): boolean {
  return PATH.test(path)
}

/** As `requirePath`, for what is to be listed: here `/` stands for the driver's root. Answers '' for it, so that a
 *  child is always at `${folder}/${name}`.
 *  @throws StorageError PATH_INVALID */
export function requireFolder(path: string): string {
  return path === '/' ? '' : requirePath(path)
}

/** True for what can be a component of a path. */
export function isName(name: string): boolean {
  return NAME.test(name)
}
