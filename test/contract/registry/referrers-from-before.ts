import { describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { parseTag } from '../../../src/core/reference.ts'
import type { Repository } from '../../../src/core/registry.ts'
import type { DriverCall } from '../../support/faulty-driver.ts'
import { eachInTurns } from '../../support/in-turns.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../../support/manifest-json.ts'
import {
  digestsListed,
  listed,
  pushReferrer,
  putReferrer,
  referrerLink,
  referrerPayload,
  referrersFolder,
  subject,
} from './referrer-support.ts'
import {
  blobPath,
  expectRegistryError,
  filesIn,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
  ROOT,
  tagsOf,
} from './support.ts'

const fallback = parseTag(subject.replace(':', '-'))

/** A registry that keeps no lists of referrers writes everything else the same. */
async function forgetReferrers({ driver }: RegistryUnderTest): Promise<void> {
  await driver.delete(referrersFolder('a'))
}

/** Lets the tag name an index of these, as clients do it for registries without lists. */
async function tagIndexOf(repository: Repository, digests: readonly Digest[], tag = fallback): Promise<void> {
  const manifests = digests.map((digest) => ({ mediaType: MediaType.ociManifest, digest, size: 1 }))
  await repository.tags.tag(
    tag,
    await repository.manifests.put(parseManifest(payloadOf(indexJson({ manifests })))),
  )
}

export function describeReferrersFromBefore(current: () => RegistryUnderTest): void {
  describe('referrers from before there was a list', () => {
    it('are found, and nothing that another registry wrote changes', async () => {
      const repository = current().repository('a')
      const referrers = []
      for (const name of ['one', 'two', 'three']) referrers.push(await pushReferrer(repository, name))
      await pushManifest(repository, 'image', { tags: ['latest'] })
      await forgetReferrers(current())
      const before = await filesIn(current().driver)
      const replica = await current().onOtherReplica('a')
      expect(await digestsListed(replica)).toEqual(referrers.sort())
      const after = await filesIn(current().driver)
      const added = Object.keys(after).filter((path) => before[path] !== after[path])
      const links = referrers.map((digest) => referrerLink('a', digest))
      expect(added.sort()).toEqual([...links, `${referrersFolder('a')}/backfill`].sort())
      expect(Object.keys(before).filter((path) => after[path] === undefined)).toEqual([])
    })

    it('are looked for once in a repository, by whichever process comes first', async () => {
      const repository = current().repository('a')
      await pushReferrer(repository, 'one')
      await pushManifest(repository, 'image')
      await forgetReferrers(current())
      await digestsListed(await current().onOtherReplica('a'))
      current().driver.forget()
      await digestsListed(repository)
      expect(listingsOfRevisions(current())).toBe(0)
    })

    it('are looked for once while many ask', async () => {
      const repository = current().repository('a')
      const referrer = await pushReferrer(repository, 'one')
      await forgetReferrers(current())
      current().driver.forget()
      const answers = await Promise.all(Array.from({ length: 8 }, () => digestsListed(repository)))
      expect(answers).toEqual(Array(8).fill([referrer]))
      expect(listingsOfRevisions(current())).toBe(2) // one an algorithm
    })

    it('are found when two replicas look for them at once', async () => {
      const repository = current().repository('a')
      await pushBlob(repository, '{}')
      const names = Array.from({ length: 60 }, (_, number) => `referrer ${number}`)
      const referrers = names.map((name) => digestOf(referrerPayload(name))).sort()
      await eachInTurns(names, async (name) => void (await putReferrer(repository, referrerPayload(name))))
      await forgetReferrers(current())
      const replicas = [await current().onOtherReplica('a'), await current().onOtherReplica('a')]
      expect(await Promise.all(replicas.map((replica) => digestsListed(replica)))).toEqual([
        referrers,
        referrers,
      ])
    })

    it('are found by the next process when one breaks off, which goes on where it was', async () => {
      const repository = current().repository('a')
      await pushBlob(repository, '{}')
      const payloads = Array.from({ length: 700 }, (_, number) => referrerPayload(`referrer ${number}`))
      const referrers = payloads.map((payload) => digestOf(payload)).sort()
      await eachInTurns(payloads, async (payload) => void (await putReferrer(repository, payload)))
      await forgetReferrers(current())
      const unreadable = blobPath(referrers[620] as Digest)
      current().driver.fault = ({ method, path }) =>
        method === 'get' && path === unreadable ? new StorageError('BACKEND_FAILED', { path }) : undefined
      await expect(digestsListed(repository)).rejects.toThrow(StorageError)
      current().driver.fault = () => undefined
      current().driver.forget()
      const read = () =>
        current().driver.calls.filter(({ path }) => path === blobPath(referrers[0] as Digest))
      await expect(digestsListed(repository)).resolves.toEqual(referrers)
      const links = current().driver.calls.filter(
        ({ method, path }) => method === 'put' && path.startsWith(`${referrersFolder('a')}/sha256`),
      )
      expect(links.length).toBeLessThan(150)
      expect(read()).toEqual([]) // what the list says of it is remembered from the push
    })

    it('stops when the registry closes, and says how far it came', async () => {
      const { registry } = current()
      const repository = current().repository('a')
      await pushBlob(repository, '{}')
      const payloads = Array.from({ length: 40 }, (_, number) => referrerPayload(`referrer ${number}`))
      await eachInTurns(payloads, async (payload) => void (await putReferrer(repository, payload)))
      await forgetReferrers(current())
      const begun = Promise.withResolvers<void>()
      current().driver.fault = ({ path }) => {
        if (path.startsWith(`${referrersFolder('a')}/sha256`)) begun.resolve()
        return undefined
      }
      const asked = digestsListed(repository).then(
        () => 'answered',
        () => 'refused',
      )
      await begun.promise
      await registry.close()
      expect(await asked).toBe('refused')
      const next = await current().onOtherReplica('a')
      expect(await digestsListed(next)).toHaveLength(40)
    })

    it('are found where nothing may be written, and nothing is', async () => {
      const repository = current().repository('a')
      const referrers = []
      for (let number = 0; number < 40; number++) {
        referrers.push(await pushReferrer(repository, `referrer ${number}`))
      }
      const silent = await pushReferrer(repository, 'silent', { subject: undefined })
      await tagIndexOf(repository, [silent])
      await forgetReferrers(current())
      await pushReferrer(repository, 'linked')
      const linked = digestOf(referrerPayload('linked'))
      const before = await filesIn(current().driver)
      const replica = await current().onOtherReplica('a', { readOnly: true })
      const expected = [...referrers, silent, linked].sort()
      for (let time = 0; time < 2; time++) expect(await digestsListed(replica)).toEqual(expected)
      const after = expected[20]
      expect((await listed(replica, { after })).map(({ digest }) => digest)).toEqual(expected.slice(21))
      expect(await filesIn(current().driver)).toEqual(before)
    })

    it('are refused while the disk is full, instead of a list that lacks some; one that was made is served', async () => {
      const repository = current().repository('a')
      const referrer = await pushReferrer(repository, 'one')
      await forgetReferrers(current())
      const full = ({ method, path }: DriverCall) =>
        method === 'put' ? new StorageError('NO_SPACE', { path }) : undefined
      current().driver.fault = full
      await expectRegistryError(digestsListed(repository), 'INSUFFICIENT_STORAGE')
      current().driver.fault = () => undefined
      expect(await digestsListed(repository)).toEqual([referrer])
      current().driver.fault = full
      expect(await digestsListed(current().restarted('a'))).toEqual([referrer])
    })

    it('nothing is written of a repository that is not there, or has no manifests', async () => {
      await pushBlob(current().repository('a'), 'content')
      const before = await filesIn(current().driver)
      expect(await listed(current().repository('a'))).toEqual([])
      expect(await listed(current().repository('b'))).toEqual([])
      expect(await filesIn(current().driver)).toEqual(before)
    })

    it.each([
      '',
      'no JSON',
      '{}',
      '[]',
      '{"subject":{"digest":"sha256:x"},"config":{}}',
      '{"subject":7,"config":7}',
    ])('a manifest whose bytes are %j is passed by', async (text) => {
      const repository = current().repository('a')
      const referrer = await pushReferrer(repository, 'one')
      const odd = digestOf(Buffer.from(text))
      await current().driver.put(blobPath(odd), Buffer.from(text))
      const link = `${ROOT}/repositories/a/_manifests/revisions/${odd.replace(':', '/')}/link`
      await current().driver.put(link, Buffer.from(odd))
      await forgetReferrers(current())
      expect(await digestsListed(repository)).toEqual([referrer])
    })
  })

  describe('the tag under which clients keep a list', () => {
    it('is read whenever the list is asked for, and left as it is', async () => {
      const repository = current().repository('a')
      await pushBlob(repository, '{}')
      const [one, two] = ['one', 'two'].map((name) => digestOf(referrerPayload(name))) as [Digest, Digest]
      await putReferrer(repository, referrerPayload('one'))
      await tagIndexOf(repository, [one])
      await forgetReferrers(current())
      expect(await digestsListed(repository)).toEqual([one])
      await putReferrer(repository, referrerPayload('two'))
      await tagIndexOf(repository, [one, two])
      await current().driver.delete(referrerLink('a', two)) // as another registry leaves it
      expect(await digestsListed(repository)).toEqual([one, two].sort())
      expect(await tagsOf(repository)).toEqual([fallback])
      await repository.tags.untag(fallback)
      expect(await digestsListed(await current().onOtherReplica('a'))).toEqual([one, two].sort())
    })

    it('is a list that grows: those it had before are not looked up again', async () => {
      const repository = current().repository('a')
      const listedThere: Digest[] = []
      const lookedUp = async (added: number) => {
        for (let number = 0; number < added; number++) {
          const name = `silent ${listedThere.length}`
          listedThere.push(await pushReferrer(repository, name, { subject: undefined }))
        }
        await tagIndexOf(repository, listedThere)
        current().driver.forget()
        expect(await digestsListed(repository)).toEqual([...listedThere].sort())
        const isLink = ({ path }: DriverCall) => /\/_manifests\/referrers\/.*\/link$/.test(path)
        return new Set(
          current()
            .driver.calls.filter(isLink)
            .map(({ path }) => path),
        ).size
      }
      expect(await lookedUp(20)).toBe(20)
      expect(await lookedUp(1)).toBe(1)
      expect(await lookedUp(2)).toBe(2)
    })

    it('lists manifests that name no subject, and none that name another or are not there', async () => {
      const repository = current().repository('a')
      const silent = await pushReferrer(repository, 'silent', { subject: undefined })
      const about = { mediaType: MediaType.ociManifest, digest: digestOf(Buffer.from('other')), size: 5 }
      const other = await pushReferrer(repository, 'other', { subject: about })
      const absent = await pushReferrer(repository, 'absent', { subject: undefined })
      await tagIndexOf(repository, [silent, other, absent])
      await repository.manifests.delete(absent)
      expect(await digestsListed(repository)).toEqual([silent])
    })

    it('of a subject named by sha512 has a part of the digest only: the manifests decide', async () => {
      const repository = current().repository('a')
      const long = digestOf(Buffer.from('subject'), 'sha512')
      const about = { mediaType: MediaType.ociManifest, digest: long, size: 7 }
      const referrer = await pushReferrer(repository, 'one', { subject: about })
      const silent = await pushReferrer(repository, 'silent', { subject: undefined })
      await tagIndexOf(repository, [referrer, silent], parseTag(long.replace(':', '-').slice(0, 71)))
      await current().driver.delete(referrerLink('a', referrer, long))
      await listed(repository) // the look for those from before is over
      expect(await digestsListed(repository, long)).toEqual([referrer])
    })

    it('may name anything else', async () => {
      const repository = current().repository('a')
      for (const content of ['config', 'layer one', 'layer two']) await pushBlob(repository, content)
      const image = await repository.manifests.put(parseManifest(payloadOf(imageJson())))
      await repository.tags.tag(fallback, image)
      expect(await listed(repository)).toEqual([])
      await pushBlob(repository, 'a cached layer')
      const index = parseManifest(payloadOf(indexJson({ manifests: [descriptorOf('a cached layer')] })))
      await repository.tags.tag(fallback, await repository.manifests.put(index))
      expect(await listed(repository)).toEqual([])
      await current().driver.delete(blobPath(image.digest))
      expect(await listed(await current().onOtherReplica('a'))).toEqual([])
    })
  })
}

function listingsOfRevisions({ driver }: RegistryUnderTest): number {
  return driver.calls.filter(({ method, path }) => method === 'list' && path.includes('/revisions/')).length
}
