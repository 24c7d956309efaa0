/** Changes as they follow one another in a repository, and what is told of each. */
import { gzippedLayer, imageManifest, imageOf, sha256 } from '../../support/oci-image.ts'
import type { RegistryClient } from '../../support/registry-client.ts'

export interface Change {
  /** The names of its events, in any order. No two changes of a story have one in common. */
  readonly events: readonly string[]
  make(client: RegistryClient): Promise<unknown>
}

/** @param from a repository with a blob, which is mounted */
export type Story = (repository: string, from: { repository: string; digest: string }) => Change[]

interface NamedEvent {
  readonly action: string
  readonly target: { readonly repository: string; readonly tag?: unknown; readonly digest?: unknown }
}

/** What a change is called: its action and what it is about. */
export function nameOf({ action, target: { repository, tag, digest } }: NamedEvent): string {
  return `${action} ${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`
}

/** Every kind of change. */
export const lifeOfAnImage: Story = (repository, from) => {
  const image = imageOf([gzippedLayer([{ path: 'a', content: repository }])])
  const [layer] = image.layers
  const { manifest, config } = image
  const other = imageManifest(config, [...image.layers, ...image.layers])
  const { digest } = manifest.descriptor
  const name = (action: string, target: { tag?: string; digest?: string }) =>
    nameOf({ action, target: { repository, ...target } })
  const put = (reference: string, content = manifest): Change => {
    const tag = reference.startsWith('sha256:') ? {} : { tag: reference }
    return {
      events: [name('push', { ...tag, digest: content.descriptor.digest })],
      make: (client) => client.pushManifest(repository, { reference, manifest: content }),
    }
  }
  return [
    pushInChunks(repository, layer!.bytes),
    push(repository, config.bytes),
    put(digest),
    put('first'),
    put('second'),
    put('first', other),
    {
      events: [name('delete', { tag: 'first' })],
      make: (client) => client.deleteManifest(repository, 'first'),
    },
    {
      events: [name('delete', { digest }), name('delete', { tag: 'second' })],
      make: (client) => client.deleteManifest(repository, digest),
    },
    {
      events: [name('delete', { digest: layer!.descriptor.digest })],
      make: (client) => client.deleteBlob(repository, layer!.descriptor.digest),
    },
    {
      events: [name('mount', { digest: from.digest })],
      make: (client) => client.mountBlob(repository, { digest: from.digest, from: from.repository }),
    },
  ]
}

/** Of one repository, and of one beside it. */
export const threePushes: Story = (repository) =>
  [repository, repository, `${repository}/beside`].map((name, number) =>
    push(name, Buffer.from(`${number} of ${repository}`)),
  )

export function push(repository: string, bytes: Uint8Array): Change {
  return {
    events: [nameOf({ action: 'push', target: { repository, digest: sha256(bytes) } })],
    make: (client) => client.pushBlob(repository, bytes),
  }
}

function pushInChunks(repository: string, bytes: Buffer): Change {
  return {
    ...push(repository, bytes),
    async make(client) {
      const [first, rest] = [bytes.subarray(0, 50), bytes.subarray(50)]
      const upload = await client.sendChunk(await client.beginUpload(repository), first)
      await client.finishUpload(upload, { digest: sha256(bytes), rest })
    },
  }
}
