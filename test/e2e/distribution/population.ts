/** Several hundred images as a real registry holds them: many tags a repository, few base layers, one index, one image
 *  that was deleted. */
import { expect } from 'vitest'
import { eachInTurns } from '../../support/in-turns.ts'
import {
  gzippedLayer,
  type Image,
  type ImageIndex,
  imageOf,
  indexOf,
  sha256,
} from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import type { RegistryClient } from '../../support/registry-client.ts'

const baseCount = 4

interface PopulationSize {
  readonly repositories: number
  readonly tagsEach: number
}

export interface TaggedImage {
  readonly repository: string
  readonly tag: string
  readonly image: Image
}

export interface Population {
  readonly images: readonly TaggedImage[]
  readonly index: { readonly repository: string; readonly tag: string; readonly index: ImageIndex }
  readonly deleted: TaggedImage
}

export function population(
  { repositories, tagsEach }: PopulationSize = { repositories: 20, tagsEach: 15 },
): Population {
  const images = Array.from({ length: repositories }, (_, repository) =>
    Array.from({ length: tagsEach }, (_, tag) => taggedImage(repository, tag)),
  ).flat()
  const variants = ['amd64', 'arm64'].map((architecture) => ({
    image: imageOf([gzippedLayer([{ path: 'platform', content: architecture }])], {
      os: 'linux',
      architecture,
    }),
    platform: { os: 'linux', architecture },
  }))
  return {
    images,
    index: { repository: 'population/index', tag: 'latest', index: indexOf(variants) },
    deleted: taggedImage(0, tagsEach),
  }
}

/** Its name, its layers and its bytes follow from the two numbers. */
function taggedImage(repository: number, tag: number): TaggedImage {
  const base = `base ${(repository + tag) % baseCount}`
  const layers = [base, `repository ${repository}`, `image ${repository} ${tag}`].map((content) =>
    gzippedLayer([{ path: 'content', content: seededRandom(content).bytes(2_000) }]),
  )
  return {
    repository: `population/team-${repository % 5}/app_${repository}`,
    tag: `v${tag}`,
    image: imageOf(layers),
  }
}

/** Several repositories at once, but in each one image after the other: Distribution 2 answers 500 to a question about a
 *  link that is just being written. */
export async function pushPopulation(
  { images, index, deleted }: Population,
  client: RegistryClient,
): Promise<void> {
  const byRepository = Map.groupBy([...images, deleted], ({ repository }) => repository)
  await eachInTurns([...byRepository.values()], async (ofOneRepository) => {
    for (const tagged of ofOneRepository) await client.pushImage(tagged.repository, tagged)
  })
  await client.pushIndex(index.repository, index)
  await client.deleteManifest(deleted.repository, deleted.image.manifest.descriptor.digest)
}

/** Asks for every name, and for nothing that was deleted. */
export async function expectListed({ images, index }: Population, client: RegistryClient): Promise<void> {
  const repositories = new Set([...images, index].map(({ repository }) => repository))
  const listed = (await client.catalog()).filter((name) => name.startsWith('population/'))
  expect(listed.sort()).toEqual([...repositories].sort())
  for (const repository of repositories) {
    const tags = [...images, index].filter((tagged) => tagged.repository === repository).map(({ tag }) => tag)
    expect((await client.tags(repository))?.sort(), repository).toEqual(tags.sort())
  }
}

/** Asks for every byte, by tag and by digest, and for what was deleted. */
export async function expectServed(
  { images, index, deleted }: Population,
  client: RegistryClient,
): Promise<void> {
  const variants = index.index.images.map((image) => ({
    ...index,
    tag: image.manifest.descriptor.digest,
    image,
  }))
  await eachInTurns([...images, ...variants], (tagged) => expectImageServed(tagged, client))
  expect(await client.manifest(index.repository, index.tag)).toEqual(index.index.manifest.bytes)
  expect(await client.manifest(deleted.repository, deleted.tag)).toBeUndefined()
  expect(await client.manifest(deleted.repository, deleted.image.manifest.descriptor.digest)).toBeUndefined()
}

export async function expectImageServed({ repository, tag, image }: TaggedImage, client: RegistryClient) {
  expect(await client.manifest(repository, tag)).toEqual(image.manifest.bytes)
  expect(await client.manifest(repository, image.manifest.descriptor.digest)).toEqual(image.manifest.bytes)
  for (const { descriptor } of [image.config, ...image.layers]) {
    const bytes = await client.blob(repository, descriptor.digest)
    expect(bytes && sha256(bytes)).toBe(descriptor.digest)
  }
}
