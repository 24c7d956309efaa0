import { afterEach, beforeEach, describe } from 'vitest'
import { describeAliases } from './registry/aliases.ts'
import { describeBlobs } from './registry/blobs.ts'
import { describeCatalog } from './registry/catalog.ts'
import { describeForeignFiles } from './registry/foreign-files.ts'
import { describeHealing } from './registry/healing.ts'
import { describeLayout } from './registry/layout.ts'
import { describeManifests } from './registry/manifests.ts'
import { describeOwnership } from './registry/ownership.ts'
import { describeRaces } from './registry/races.ts'
import { describeReferrerSummaries } from './registry/referrer-summaries.ts'
import { describeReferrers } from './registry/referrers.ts'
import { describeReferrersFromBefore } from './registry/referrers-from-before.ts'
import { describeSchema1 } from './registry/schema1.ts'
import { describeSignatureList } from './registry/signature-list.ts'
import { describeSignatures } from './registry/signatures.ts'
import { RegistryUnderTest } from './registry/support.ts'
import { describeTags } from './registry/tags.ts'
import { describeUploads } from './registry/uploads.ts'
import type { DriverUnderTest } from './storage-driver.ts'

/** What the registry promises behind the ports of `src/core/registry.ts`, as tests, over a storage driver. Call it at
 *  the top of a test file; every test gets a registry over an empty place of its own. */
export function describeRegistry(name: string, open: () => Promise<DriverUnderTest>): void {
  describe(`the registry over ${name}`, () => {
    let opened: RegistryUnderTest
    beforeEach(async () => {
      opened = await RegistryUnderTest.start(await open())
    })
    afterEach(() => opened.close())
    const current = () => opened
    describeUploads(current)
    describeOwnership(current)
    describeBlobs(current)
    describeHealing(current)
    describeAliases(current)
    describeManifests(current)
    describeTags(current)
    describeSignatures(current)
    describeSignatureList(current)
    describeSchema1(current)
    describeCatalog(current)
    describeReferrers(current)
    describeReferrersFromBefore(current)
    describeReferrerSummaries(current)
    describeForeignFiles(current)
    describeLayout(current)
    describeRaces(current)
  })
}
