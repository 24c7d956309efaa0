import { expect } from 'vitest'
import { RegistryError } from '../../src/core/errors.ts'

/** The RegistryError that the work throws; anything else that it throws goes on. */
export function registryErrorOf(work: () => unknown): RegistryError {
  const error = registryErrorIfAny(work)
  if (error === undefined) throw new Error('nothing was thrown')
  return error
}

/** For work that may succeed or be refused, but must fail in no other way. */
export function registryErrorIfAny(work: () => unknown): RegistryError | undefined {
  try {
    work()
  } catch (error) {
    if (error instanceof RegistryError) return error
    throw error
  }
  return undefined
}

/** Expects a MANIFEST_INVALID with this in its message. */
export function expectInvalidManifest(work: () => unknown, message: string): RegistryError {
  const error = registryErrorOf(work)
  expect(error.code).toBe('MANIFEST_INVALID')
  expect(error.message).toContain(message)
  return error
}
