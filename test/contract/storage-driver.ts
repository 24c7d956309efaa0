import { afterEach, beforeEach, describe } from 'vitest'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { describeAppending } from './storage-driver/appending.ts'
import { describeListing } from './storage-driver/listing.ts'
import { describePaths } from './storage-driver/paths.ts'
import { describePutting } from './storage-driver/putting.ts'
import { describeReading } from './storage-driver/reading.ts'
import { describeRemoving } from './storage-driver/removing.ts'

/** A driver over an empty place of its own. */
export interface DriverUnderTest {
  readonly driver: StorageDriver
  /** A second driver over the same place, as another replica has it. The place of the memory driver is the driver
   *  itself, so there it is the same one. */
  another(): Promise<StorageDriver>
  /** Closes the driver and removes its place. */
  close(): Promise<void>
}

/** What every StorageDriver promises, as tests. Call it at the top of a test file; every test gets a driver of its own.
 *
 *  Not asked for, because kinds of storage differ in it: whether a folder that lost its last file is still seen, and
 *  whether a file may stand where there is a folder too (see `describeFolders`).
 *  @param options.maxNameBytes of a component of a path, where what stands behind the driver takes less than 255
 *  @param options.manyChildren how many a large folder has: more than a page of a listing, less where each takes long */
export function describeStorageDriver(
  name: string,
  open: () => Promise<DriverUnderTest>,
  { maxNameBytes = 255, manyChildren = 10_000 }: { maxNameBytes?: number; manyChildren?: number } = {},
): void {
  describe(`the storage driver ${name}`, () => {
    let opened: DriverUnderTest
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.close())
    const current = () => opened
    describePaths(current, maxNameBytes)
    describePutting(current)
    describeReading(current)
    describeAppending(current)
    describeListing(current, manyChildren)
    describeRemoving(current)
  })
}
