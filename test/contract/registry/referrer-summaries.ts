import { describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import type { Repository } from '../../../src/core/registry.ts'
import {
  digestsListed,
  listed,
  putReferrer,
  referrerPayload,
  referrersFolder,
  subject,
} from './referrer-support.ts'
import { blobPath, pushBlob, type RegistryUnderTest, revisionLink } from './support.ts'

const path = `${referrersFolder('a')}/${subject.replace(':', '/')}/summaries/sha256-a`

interface Named {
  readonly payload: Uint8Array
  readonly digest: Digest
}

/** The first so many whose digests begin with the same digit, in byte order. */
function beginningWithA(count: number): Named[] {
  const found: Named[] = []
  for (let number = 0; found.length < count; number++) {
    const payload = referrerPayload(`referrer ${number}`)
    const digest = digestOf(payload)
    if (digest.startsWith('sha256:a')) found.push({ payload, digest })
  }
  return found.sort((one, other) => (one.digest < other.digest ? -1 : 1))
}

const all = beginningWithA(80)
const digests = all.map(({ digest }) => digest)

async function push(repository: Repository, referrers: readonly Named[]): Promise<void> {
  await pushBlob(repository, '{}')
  for (const { payload } of referrers) await putReferrer(repository, payload)
}

async function summarised({ driver }: RegistryUnderTest): Promise<string[]> {
  const entries = JSON.parse(Buffer.from(await driver.get(path)).toString()) as {
    descriptor: { digest: string }
  }[]
  return entries.map(({ descriptor }) => descriptor.digest).sort()
}

export function describeReferrerSummaries(current: () => RegistryUnderTest): void {
  const manifestsRead = () =>
    current().driver.calls.filter(
      ({ method, path: file }) => method === 'get' && digests.some((digest) => file === blobPath(digest)),
    )

  describe('what the list says of many referrers', () => {
    it('is added to a summary by every process that pushes enough of them', async () => {
      await push(await current().onOtherReplica('a'), all.slice(0, 31))
      await expect(summarised(current())).rejects.toThrow()
      await push(await current().onOtherReplica('a'), all.slice(31, 71))
      expect(await summarised(current())).toEqual(digests.slice(31, 63))
      await push(await current().onOtherReplica('a'), all.slice(0, 40))
      expect(await summarised(current())).toEqual(digests.slice(0, 63))
    })

    it('is read from the summary by a process that knows nothing, and for the rest from the manifests', async () => {
      await push(await current().onOtherReplica('a'), all.slice(0, 40))
      const repository = current().repository('a')
      await digestsListed(await current().onOtherReplica('a'))
      current().driver.forget()
      expect(await listed(repository)).toHaveLength(40)
      expect(manifestsRead()).toHaveLength(8)
      current().driver.forget()
      expect(await listed(repository)).toHaveLength(40)
      expect(manifestsRead()).toEqual([])
    })

    it('costs nothing but a look where a few links lead nowhere', async () => {
      const repository = current().repository('a')
      await push(repository, all.slice(0, 40))
      await current().driver.delete(revisionLink('a', digests[35] as Digest))
      await current().driver.delete(blobPath(digests[35] as Digest))
      const replica = current().restarted('a')
      const expected = digests.slice(0, 40).toSpliced(35, 1)
      expect(await digestsListed(replica)).toEqual(expected)
      current().driver.forget()
      expect(await digestsListed(replica)).toEqual(expected)
      expect(manifestsRead().length).toBeLessThanOrEqual(1)
      expect(current().driver.calls.filter((call) => call.path === path)).toEqual([])
    })

    it('is added to the summary when many were read from their manifests', async () => {
      await push(await current().onOtherReplica('a'), all)
      const kept = JSON.parse(Buffer.from(await current().driver.get(path)).toString()).slice(0, 10)
      const gone = { descriptor: { ...kept[0].descriptor, digest: `sha256:a${'0'.repeat(63)}` } }
      await current().driver.put(path, Buffer.from(JSON.stringify([...kept, gone])))
      expect(await digestsListed(await current().onOtherReplica('a'))).toEqual(digests)
      expect(await summarised(current())).toEqual(digests)
    })

    it('is kept of those before the place where a page begins', async () => {
      await push(await current().onOtherReplica('a'), all)
      const kept = JSON.parse(Buffer.from(await current().driver.get(path)).toString()) as {
        descriptor: { digest: Digest }
      }[]
      const early = kept.filter(({ descriptor }) => digests.indexOf(descriptor.digest) < 20)
      await current().driver.put(path, Buffer.from(JSON.stringify(early)))
      const replica = await current().onOtherReplica('a')
      const page = await listed(replica, { after: digests[29] })
      expect(page.map(({ digest }) => digest)).toEqual(digests.slice(30))
      const expected = [...early.map(({ descriptor }) => descriptor.digest), ...digests.slice(30)]
      expect(await summarised(current())).toEqual(expected.sort())
    })

    it.each([
      '',
      '{',
      'null',
      '7',
      '[7]',
      '[{}]',
      '[{"descriptor":{"digest":"x","mediaType":"y","size":1}}]',
    ])('does not depend on a summary that is %j', async (text) => {
      await push(await current().onOtherReplica('a'), all.slice(0, 40))
      await current().driver.put(path, Buffer.from(text))
      expect(await digestsListed(current().repository('a'))).toEqual(digests.slice(0, 40))
      expect(await summarised(current())).toEqual(digests.slice(0, 40))
    })

    it('is pushed though no summary can be read', async () => {
      current().driver.fault = ({ path: file }) =>
        file === path ? new StorageError('BACKEND_FAILED', { path: file }) : undefined
      await push(current().repository('a'), all.slice(0, 40))
      current().driver.fault = () => undefined
      expect(await digestsListed(current().repository('a'))).toEqual(digests.slice(0, 40))
    })

    it('is given though no summary can be written', async () => {
      await push(await current().onOtherReplica('a'), all.slice(0, 40))
      await current().driver.delete(path)
      current().driver.fault = ({ method, path: file }) =>
        method === 'put' && file === path ? new StorageError('NO_SPACE', { path: file }) : undefined
      expect(await digestsListed(current().repository('a'))).toEqual(digests.slice(0, 40))
      expect(current().logged.lines.join('\n')).toContain('could not be written')
    })
  })
}
