import { describe, expect, it } from 'vitest'
import { isPathNotFound, RegistryError, StorageError } from './errors.ts'

describe('an error of the registry', () => {
  it('carries its code, what is for programs, its cause and the others found with it', () => {
    const cause = new Error('the disk')
    const other = new RegistryError('BLOB_UNKNOWN')
    const error = new RegistryError('MANIFEST_BLOB_UNKNOWN', {
      message: 'no layer',
      detail: { digest: 'd' },
      cause,
      others: [other],
    })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'RegistryError',
      code: 'MANIFEST_BLOB_UNKNOWN',
      message: 'no layer',
      detail: { digest: 'd' },
      cause,
      others: [other],
    })
  })

  it('needs no more than its code', () => {
    const error = new RegistryError('DENIED')
    expect(error).toMatchObject({ code: 'DENIED', message: '', others: [] })
    expect(error.detail).toBeUndefined()
  })
})

describe('an error of the storage', () => {
  it('says which path, with a message of its own or the code', () => {
    expect(new StorageError('NO_SPACE', { path: '/a' })).toMatchObject({
      path: '/a',
      message: 'NO_SPACE: /a',
    })
    expect(new StorageError('NO_SPACE', { path: '/a', message: 'full' }).message).toBe('full')
  })

  it('tells what is absent from what failed', () => {
    expect(isPathNotFound(new StorageError('PATH_NOT_FOUND', { path: '/a' }))).toBe(true)
    expect(isPathNotFound(new StorageError('BACKEND_FAILED', { path: '/a' }))).toBe(false)
    expect(isPathNotFound(Object.assign(new Error(), { code: 'PATH_NOT_FOUND' }))).toBe(false)
    expect(isPathNotFound(undefined)).toBe(false)
  })
})
