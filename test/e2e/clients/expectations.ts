import { expect } from 'vitest'
import type { Image, ImageIndex } from '../../support/oci-image.ts'
import type { RegistryClient } from '../../support/registry-client.ts'

interface Place {
  readonly client: RegistryClient
  readonly repository: string
}

/** Asks the registry itself whether it serves every byte of the image. */
export async function expectServed(image: Image, { client, repository }: Place): Promise<void> {
  const { manifest, config, layers } = image
  expect(await client.manifest(repository, manifest.descriptor.digest)).toEqual(manifest.bytes)
  for (const { descriptor, bytes } of [config, ...layers]) {
    expect(await client.blob(repository, descriptor.digest), descriptor.mediaType).toEqual(bytes)
  }
}

export async function expectIndexServed(index: ImageIndex, place: Place): Promise<void> {
  const { digest } = index.manifest.descriptor
  expect(await place.client.manifest(place.repository, digest)).toEqual(index.manifest.bytes)
  for (const image of index.images) await expectServed(image, place)
}
