import type { RepositoryContent, RepositoryManifest } from '../../core/collection/removable.ts'
import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { REPOSITORIES, RepositoryPaths } from '../paths.ts'

const MANIFESTS = new RegExp(`^${REPOSITORIES}/(.+?)/_manifests/(.+)$`)
const REVISION = /^revisions\/(sha256|sha512)\/([0-9a-f]+)\/link$/
const TAG = /^tags\/([^/]+)\/current\/link$/

/** Folders without tags and revisions. A repository may be called `tags` or `index`. */
const OTHER_FOLDERS =
  /\/(?:_uploads|_layers|_manifests\/referrers|_manifests\/tags\/[^/]+\/index|_manifests\/revisions\/sha\d+\/[0-9a-f]+\/signatures)$/

const READ_CONCURRENCY = 16

interface FoundContent {
  readonly repository: RepositoryName
  readonly revisions: { readonly digest: Digest; readonly linkedAt: Date }[]
  readonly aliases: { readonly name: Digest; readonly path: string }[]
  readonly tags: FoundTag[]
}

interface FoundTag {
  readonly tag: string
  readonly path: string
}

/** The manifests and tags of all repositories below a folder, one after the other: in byte order of the paths those of a repository
 *  stand together.
 *  @param options.after only repositories after this one */
export async function* readContents(
  storage: StorageDriver,
  folder: string,
  { after }: { after?: RepositoryName | undefined } = {},
): AsyncIterable<RepositoryContent> {
  const enters = (entered: string) => !OTHER_FOLDERS.test(entered)
  // `0` follows `/`: the first path behind the folder.
  const options = after === undefined ? {} : { after: `${new RepositoryPaths(after).manifests}0` }
  let found: FoundContent | undefined
  for await (const files of storage.scan(folder, { enters, ...options })) {
    for (const file of files) {
      const [, name, place = ''] = MANIFESTS.exec(file.path) ?? []
      if (name === undefined) continue
      if (found?.repository !== name) {
        if (found !== undefined) yield readLinks(storage, found)
        found = { repository: name as RepositoryName, revisions: [], aliases: [], tags: [] }
      }
      note(found, file, place)
    }
  }
  if (found !== undefined) yield readLinks(storage, found)
}

function note(found: FoundContent, { path, modifiedAt }: ScannedFile, place: string): void {
  const [, tag] = TAG.exec(place) ?? []
  if (tag !== undefined) found.tags.push({ tag, path })
  const [, algorithm, hex] = REVISION.exec(place) ?? []
  const name = `${algorithm}:${hex}`
  if (!isDigest(name)) return
  if (algorithm === CANONICAL) found.revisions.push({ digest: name, linkedAt: modifiedAt })
  else found.aliases.push({ name, path })
}

async function readLinks(storage: StorageDriver, found: FoundContent): Promise<RepositoryContent> {
  const { repository, revisions, tags } = found
  const digests = new Map<string, Digest>()
  const brokenTags: string[] = []
  const work = async ({ tag, path }: FoundTag) => ({ tag, target: await readTarget(storage, path) })
  for await (const { tag, target } of mapInOrder(tags, { concurrency: READ_CONCURRENCY, work }))
    if (target === undefined) brokenTags.push(tag)
    else digests.set(tag, target)
  const aliases = new Map<Digest, Digest[]>()
  for (const { name, path } of found.aliases) {
    const target = await readTarget(storage, path)
    if (target !== undefined) aliases.set(target, [...(aliases.get(target) ?? []), name])
  }
  const manifests = revisions.map(
    ({ digest, linkedAt }): RepositoryManifest => ({ digest, linkedAt, aliases: aliases.get(digest) ?? [] }),
  )
  return { repository, manifests, tags: digests, brokenTags }
}

/** What a link leads to; undefined if there is none, or if it is broken. */
export async function readTarget(storage: StorageDriver, link: string): Promise<Digest | undefined> {
  try {
    const text = Buffer.from(await storage.get(link))
      .toString('latin1')
      .trim()
    return isDigest(text) && algorithmOf(text) === CANONICAL ? text : undefined
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}
