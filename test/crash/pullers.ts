import { expect } from 'vitest'
import { type Image, sha256 } from '../support/oci-image.ts'
import { type Random, seededRandom } from '../support/random.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import type { AcknowledgedPush } from './pusher.ts'
import { now } from './register.ts'

/** Clients that pull what was acknowledged, whoever pushed it, while it is pushed. */
export class Pullers {
  pulls = 0
  readonly #clients: readonly RegistryClient[]
  readonly #random: Random
  readonly #pushes: AcknowledgedPush[] = []
  readonly #first = Promise.withResolvers<void>()

  constructor({ seed, clients }: { seed: string; clients: readonly RegistryClient[] }) {
    this.#clients = clients
    this.#random = seededRandom(`${seed} pullers`)
  }

  /** Lets them know of an image that nobody deletes. */
  add(push: AcknowledgedPush): void {
    this.#pushes.push(push)
    this.#first.resolve()
  }

  async pullUntil(stopped: AbortSignal): Promise<void> {
    await this.#first.promise
    const pull = async (client: RegistryClient) => {
      while (!stopped.aborted) await this.pull(this.#random.pick(this.#pushes), client)
    }
    await Promise.all(this.#clients.map(pull))
  }

  /** Everything of the image, and what the tag it was pushed under names by now. */
  async pull({ ledger, tag, image }: AcknowledgedPush, client: RegistryClient): Promise<void> {
    const since = now()
    const tagged = await client.manifest(ledger.repository, tag)
    const allowed = ledger.tag(tag).candidates(since)
    expect(allowed, `${ledger.repository}:${tag}`).toContain(tagged && sha256(tagged))
    const { digest } = image.manifest.descriptor
    expectSame(await client.manifest(ledger.repository, digest), image.manifest, ledger.repository)
    for (const blob of blobsOf(image)) {
      expect(await client.hasBlob(ledger.repository, blob.descriptor.digest)).toBe(true)
      expectSame(await client.blob(ledger.repository, blob.descriptor.digest), blob, ledger.repository)
    }
    this.pulls++
  }
}

function blobsOf({ config, layers }: Image) {
  return [config, ...layers]
}

function expectSame(found: Buffer | undefined, { descriptor }: Image['manifest'], repository: string): void {
  expect(found && sha256(found), `${repository}@${descriptor.digest}`).toBe(descriptor.digest)
}
