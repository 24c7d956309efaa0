import { expect } from 'vitest'
import { StorageError, type StorageErrorCode } from '../../../src/core/errors.ts'
import type { FileVersion, StorageDriver } from '../../../src/core/storage-driver.ts'
import { seededRandom } from '../../support/random.ts'

/** Bytes that repeat nowhere, so that a swap or a gap shows, whatever the size of a driver's buffers. */
export function distinctBytes(byteCount: number, seed = 0): Buffer {
  return seededRandom(`${seed}`).bytes(byteCount)
}

/** All of the bytes, copied as they come: a chunk is valid only until the next is asked for. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}

export async function collectAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function namesIn(driver: StorageDriver, folder: string, after?: string): Promise<string[]> {
  const names = (await collectAll(driver.list(folder, { after }))).map(({ name }) => name)
  const peeked = driver.peekList?.(folder, { after })
  if (peeked !== undefined) expect(Array.from(peeked, ({ name }) => name)).toEqual(names)
  return names
}

/** The files and the folders that hold a file: a folder without any may still be seen. */
export async function filledNamesIn(driver: StorageDriver, folder: string): Promise<string[]> {
  const names: string[] = []
  for (const { name, kind } of await collectAll(driver.list(folder))) {
    const below = `${folder === '/' ? '' : folder}/${name}`
    if (kind === 'file' || (await filledNamesIn(driver, below)).length > 0) names.push(name)
  }
  return names
}

/** Appends the chunks to a file and makes them durable.
 *  @returns the version of the file then */
export async function writeFile(
  driver: StorageDriver,
  path: string,
  chunks: Uint8Array[],
): Promise<FileVersion> {
  const writer = await driver.append(path)
  for (const chunk of chunks) await writer.write(chunk)
  await writer.sync()
  await writer.close()
  return writer.version as FileVersion
}

/** True without the tens of megabytes of a printed difference where it is not. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.byteLength).toBe(expected.byteLength)
  expect(Buffer.compare(actual, expected), 'the bytes differ').toBe(0)
}

export async function expectStorageError(
  work: Promise<unknown>,
  code: StorageErrorCode,
): Promise<StorageError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StorageError)
  expect((error as StorageError).code).toBe(code)
  return error as StorageError
}
