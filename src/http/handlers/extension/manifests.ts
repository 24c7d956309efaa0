import type * as z from 'zod'
import { type DescribedManifest, describeManifest } from '../../../core/catalog/manifest-summary.ts'
import type { Digest } from '../../../core/digest.ts'
import { isErrorOf, RegistryError } from '../../../core/errors.ts'
import { parseListed } from '../../../core/manifest/referrer.ts'
import type { Tag } from '../../../core/reference.ts'
import type { Repository } from '../../../core/registry.ts'
import { mapInOrder } from '../../../lib/map-in-order.ts'
import type { Reply } from '../../reply/reply.ts'
import { takePage } from '../../request/pagination.ts'
import type { RequestContext } from '../../request-context.ts'
import type { manifestList } from './answers.ts'
import { invalid, ListParameters } from './parameters.ts'
import { freshReply, summaryOf } from './reply.ts'

type ManifestAnswers = z.infer<typeof manifestList>

const CONCURRENCY = 8
/** Manifests among which parents are looked for. */
const MAX_PARENTS = 5_000

/** The manifests of a repository, from storage, in order of their digests; see docs/api.md. */
export async function listManifests({ repository, query }: RequestContext): Promise<Reply> {
  const parameters = new ListParameters(query, { keys: ['digest'], standard: 'digest' })
  const wanted = taggedIn(query)
  const tags = await tagsByDigest(repository)
  const isWanted = (digest: Digest) => wanted === undefined || tags.has(digest) === wanted
  const { names, next } = await takePage(
    digests(repository, parameters.after?.tag, isWanted),
    parameters.count,
  )
  if (names.length === 0 && parameters.after === undefined && !(await repository.exists()))
    throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository.name } })
  const described = await describeAll(repository, names as Digest[])
  const parents = await parentsOf(repository, names as Digest[])
  const { name } = repository
  return freshReply({
    name,
    manifests: described.map((manifest) => ({
      ...summaryOf(manifest),
      subject: manifest.subject,
      tags: tags.get(manifest.digest) ?? [],
      parents: parents.get(manifest.digest) ?? [],
    })),
    next: parameters.cursor(next === undefined ? undefined : { value: next, repository: name, tag: next }),
  } satisfies ManifestAnswers)
}

function taggedIn(query: URLSearchParams): boolean | undefined {
  const tagged = query.get('tagged')
  if (!tagged) return undefined
  if (tagged !== 'true' && tagged !== 'false') throw invalid('tagged', 'tagged is true or false')
  return tagged === 'true'
}

async function* digests(
  { manifests }: Repository,
  after: string | undefined,
  isWanted: (digest: Digest) => boolean,
): AsyncIterable<Digest> {
  for await (const digest of manifests.all(after === undefined ? {} : { after }))
    if (isWanted(digest)) yield digest
}

async function tagsByDigest({ tags }: Repository): Promise<Map<Digest, Tag[]>> {
  const found = new Map<Digest, Tag[]>()
  for await (const { tag, digest } of tags.entries()) {
    const known = found.get(digest)
    if (known === undefined) found.set(digest, [tag])
    else known.push(tag)
  }
  for (const names of found.values()) names.sort()
  return found
}

async function describeAll(repository: Repository, names: readonly Digest[]): Promise<DescribedManifest[]> {
  const found: DescribedManifest[] = []
  const work = (digest: Digest) => describeIfPresent(repository, digest)
  for await (const manifest of mapInOrder(names, { concurrency: CONCURRENCY, work }))
    if (manifest !== undefined) found.push(manifest)
  return found
}

/** The indexes that list some of these manifests. */
async function parentsOf(repository: Repository, listed: readonly Digest[]): Promise<Map<Digest, Digest[]>> {
  const wanted = new Set(listed)
  const parents = new Map<Digest, Digest[]>()
  let count = 0
  const some = async function* () {
    for await (const digest of repository.manifests.all()) {
      if (++count > MAX_PARENTS) return
      yield digest
    }
  }
  const work = async (digest: Digest) => ({ digest, children: await childrenOf(repository, digest) })
  for await (const { digest, children } of mapInOrder(some(), { concurrency: CONCURRENCY, work })) {
    for (const child of children) {
      if (!wanted.has(child)) continue
      parents.set(child, [...(parents.get(child) ?? []), digest])
    }
  }
  return parents
}

async function childrenOf({ manifests }: Repository, digest: Digest): Promise<readonly Digest[]> {
  try {
    return parseListed((await manifests.get(digest)).payload)
  } catch (error) {
    if (isErrorOf(error, 'MANIFEST_UNKNOWN') || isErrorOf(error, 'MANIFEST_INVALID')) return []
    throw error
  }
}

async function describeIfPresent(
  repository: Repository,
  digest: Digest,
): Promise<DescribedManifest | undefined> {
  try {
    return await describeManifest(repository, digest)
  } catch (error) {
    if (isErrorOf(error, 'MANIFEST_UNKNOWN') || isErrorOf(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}
