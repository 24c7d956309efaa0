import { hash } from 'node:crypto'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import type { Log } from '../../src/core/log.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { RequestScope } from '../../src/core/notifications/request-scope.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Registry } from '../../src/core/registry.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { ChangeReporter } from '../../src/notifications/change-reporter.ts'
import { Dispatcher } from '../../src/notifications/delivery/dispatcher.ts'
import type { DispatcherTiming } from '../../src/notifications/delivery/dispatcher-parts.ts'
import type { Endpoint } from '../../src/notifications/delivery/endpoint.ts'
import { Sender, type SenderSettings } from '../../src/notifications/delivery/sender.ts'
import { EventFactory } from '../../src/notifications/event.ts'
import { newFigures } from '../../src/notifications/figures.ts'
import { ENCODERS } from '../../src/notifications/formats/encoders.ts'
import { NotifyingRegistry } from '../../src/notifications/notifying-registry.ts'
import { Journal, type JournalTiming } from '../../src/notifications/outbox/journal.ts'
import { Subscription, type SubscriptionSettings } from '../../src/notifications/subscription.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { quiet } from '../support/http-registry.ts'
import { imageJson, payloadOf } from '../support/manifest-json.ts'

export interface Timing {
  readonly dispatcher: DispatcherTiming
  readonly journal: JournalTiming
}

/** Nobody is taken for dead, however slow the machine. */
const PATIENT = timing({ leaseMs: 60_000 })

/** For tests in which processes die. */
export const IMPATIENT = timing({ leaseMs: 600 })

/** The same over a disk, which may stand still for a moment. */
export const IMPATIENT_ON_DISK = timing({ leaseMs: 2_000 })

function timing({ leaseMs }: { leaseMs: number }): Timing {
  const beatMs = 100
  return {
    dispatcher: { tenure: { leaseMs, beatMs }, journalLeaseMs: leaseMs },
    journal: { leaseMs, beatMs, gatherMs: 5 },
  }
}

export type EndpointParts = Partial<Omit<Endpoint, 'sender' | 'subscription'>> & {
  readonly url: string
  readonly sender?: Partial<SenderSettings>
  readonly subscription?: Partial<SubscriptionSettings>
}

export function endpointFor({ url, sender, subscription, ...parts }: EndpointParts): Endpoint {
  return {
    ...{ name: 'receiver', urlHash: hash('sha256', url), figures: newFigures() },
    ...{ threshold: 3, backoffMs: 50, maxBackoffMs: 200, deadLetterMs: 3_600_000 },
    ...parts,
    sender: new Sender({
      ...{
        url: new URL(url),
        headers: {},
        timeoutMs: 2_000,
        encode: ENCODERS.distribution3,
        takesSeveral: true,
      },
      ...{ secrets: async () => [], rootCertificates: undefined, privateNetworks: [], connections: 16 },
      ...sender,
    }),
    subscription: new Subscription({
      ...{ repositories: [], actions: [], mediaTypes: [], ignoredActions: [], ignoredMediaTypes: [] },
      ...subscription,
    }),
  }
}

export interface ProcessOptions {
  readonly driver: StorageDriver
  readonly endpoints: readonly Endpoint[]
  readonly log?: Log
  readonly onFailure?: 'refuse' | 'accept'
  /** False if other processes deliver. Default: true. */
  readonly delivers?: boolean
  readonly timing?: Timing
}

/** What one process has of notifications, over a driver. */
export class NotifyingProcess implements AsyncDisposable {
  readonly registry: Registry
  readonly journal: Journal
  readonly dispatcher: Dispatcher | undefined
  readonly #endpoints: readonly Endpoint[]

  constructor(options: ProcessOptions) {
    const {
      driver,
      endpoints,
      log = quiet,
      onFailure = 'refuse',
      delivers = true,
      timing = PATIENT,
    } = options
    const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, cache: NO_CACHE, log })
    const scope = new RequestScope()
    this.#endpoints = endpoints
    this.dispatcher = delivers
      ? new Dispatcher({
          ...{ storage: stored.storage, registry: stored, endpoints, log },
          ...{ retentionMs: 3_600_000, pollMs: 50, timing: timing.dispatcher },
        })
      : undefined
    this.journal = new Journal({
      ...{ storage: stored.storage, log, onFailure, timing: timing.journal },
      onEnded: () => this.dispatcher?.wake(),
    })
    const reporter = new ChangeReporter({
      outbox: this.journal,
      events: new EventFactory({ addr: 'host:5000', instanceID: 'one' }, scope),
      isWanted: (event) => endpoints.some(({ subscription }) => subscription.wants(event)),
      includesReferences: false,
    })
    this.registry = new NotifyingRegistry(stored, reporter)
  }

  async pushBlob(repository: string, content: string): Promise<Digest> {
    const { blobs } = this.registry.repository(parseRepositoryName(repository))
    const bytes = Buffer.from(content)
    const digest = digestOf(bytes)
    const upload = await blobs.createUpload()
    await upload.append(chunks(bytes), { last: true })
    await upload.commit(digest)
    return digest
  }

  /** An image without content of its own but its config. */
  async pushImage(repository: string, tag: string, content = tag): Promise<Digest> {
    const config = await this.pushBlob(repository, content)
    const json = imageJson({
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: content.length },
      layers: [],
    })
    const { manifests, tags } = this.registry.repository(parseRepositoryName(repository))
    const named = parseTag(tag)
    const stored = await manifests.put(parseManifest(payloadOf(json), ''), undefined, { tags: [named] })
    await tags.tag(named, stored)
    return stored.digest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.journal.close()
    await this.dispatcher?.stop()
    for (const { sender } of this.#endpoints) await sender.close()
  }
}

async function* chunks(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield Buffer.from(bytes)
}
