import { RegistryError } from '../../core/errors.ts'

/** The spool file of a flight can't be opened or written: its folder is full, missing or not writable. The upstream can
 *  still be read without a flight. */
export class SpoolFailed extends RegistryError {
  constructor(cause: unknown) {
    super('INSUFFICIENT_STORAGE', { message: 'the blob cannot be buffered', cause })
  }
}
