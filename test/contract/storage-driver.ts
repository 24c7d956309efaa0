import { afterEach, beforeEach, describe } from 'vitest'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { describeAppending } from './storage-driver/appending.ts'
import { describeFencing } from './storage-driver/fencing.ts'
import { describeListing } from './storage-driver/listing.ts'
import { describePaths } from './storage-driver/paths.ts'
import { describePutting } from './storage-driver/putting.ts'
import { describeReading } from './storage-driver/reading.ts'
import { describeRemoving } from './storage-driver/removing.ts'
import { describeScanning } from './storage-driver/scanning.ts'
import { describeVersions } from './storage-driver/versions.ts'

/** A driver over an empty place of its own. */
export interface DriverUnderTest {
  readonly driver: StorageDriver
  /** A second driver over the same place, as another replica has it. The place of the memory driver is the driver
   *  itself, so there it is the same one. */
  another(): Promise<StorageDriver>
  /** Closes the driver and removes its place. */
  close(): Promise<void>
}

/** What is different where it is only the server behind a driver that can't do better. */
export interface StorageDriverSuite {
  /** Of a component of a path. */
  readonly maxNameBytes?: number
  /** How many a large folder has: more than a page of a listing, less where each takes long. */
  readonly manyChildren?: number
  /** Why a test is skipped, by its name. */
  readonly cannot?: Readonly<Record<string, string>>
}

/** What every StorageDriver promises, as tests. Call it at the top of a test file; every test gets a driver of its own.
 *
 *  Not asked for, because kinds of storage differ in it: whether a folder that lost its last file is still seen, and
 *  whether a file may stand where there is a folder too (see `describeFolders`). */
export function describeStorageDriver(
  name: string,
  open: () => Promise<DriverUnderTest>,
  { maxNameBytes = 255, manyChildren = 10_000, cannot = {} }: StorageDriverSuite = {},
): void {
  describe(`the storage driver ${name}`, () => {
    let opened: DriverUnderTest
    beforeEach(async ({ task, skip }) => {
      const reason = cannot[task.name]
      if (reason !== undefined) skip(reason)
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
    describeVersions(current)
    describeScanning(current)
    describeFencing(current)
  })
}
