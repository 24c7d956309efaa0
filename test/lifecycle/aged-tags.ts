/** Tags whose links have the ages that a test needs. */
import { stat, utimes } from 'node:fs/promises'
import { parseTag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { pushManifest, tagLink } from '../contract/registry/support.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** Makes a tag as old as this.
 *  @param root of the filesystem driver */
export async function ageTag(root: string, place: string, ageMs: number): Promise<void> {
  const [repository = '', tag = ''] = place.split(':')
  const path = `${root}${tagLink(repository, tag)}`
  const time = new Date(Date.now() - ageMs)
  await utimes(path, time, time)
  if ((await stat(path)).mtimeMs > time.getTime()) throw new Error(`${path} can't be aged`)
}

/** Gives a repository tags of one image, with their ages in days. */
export async function tagged(
  root: string,
  repository: Repository,
  ages: Readonly<Record<string, number>>,
): Promise<void> {
  const digest = await pushManifest(repository, 'image')
  const { descriptor } = await repository.manifests.get(digest)
  for (const [tag, days] of Object.entries(ages)) {
    await repository.tags.tag(parseTag(tag), descriptor)
    await ageTag(root, `${repository.name}:${tag}`, days * DAY_MS)
  }
}
