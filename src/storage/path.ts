import { StorageError } from '../core/errors.ts'

const PATH = /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._-]+)+$/
const NAME = /^(?!\.\.?$)[A-Za-z0-9._-]+$/

/** Validates a path. A valid path can't lead out of a driver's root.
 *  @throws StorageError PATH_INVALID */
export function requirePath(path: string): string {
  if (!PATH.test(path)) throw new StorageError('PATH_INVALID', { path })
  return path
}

/** True for a valid path. */
export function isPath(path: string): boolean {
  return PATH.test(path)
}

/** Validates the path of a folder, where `/` stands for the driver's root. Returns '' for it, so that a child
 *  is always `${folder}/${name}`.
 *  @throws StorageError PATH_INVALID */
export function requireFolder(path: string): string {
  return path === '/' ? '' : requirePath(path)
}

/** True for a valid path component. */
export function isName(name: string): boolean {
  return NAME.test(name)
}
