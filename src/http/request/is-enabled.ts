import type { HttpSettings } from '../settings.ts'
import type { Access } from './route.ts'

/** False if the configuration disables the operation. */
export function isEnabled(access: Access, { readOnly, deleteEnabled }: HttpSettings): boolean {
  if (access === 'delete') return deleteEnabled && !readOnly
  return !readOnly || (access !== 'push' && access !== 'tag' && access !== 'restore')
}
