import type { Descriptor } from '../core/descriptor.ts'
import type { EventAction, EventFactory, EventTarget, ReferencedContent, RegistryEvent } from './event.ts'
import type { AnnouncedChange, Outbox } from './outbox/outbox.ts'
import type { EventShape } from './subscription.ts'

export interface ChangeReporterParts {
  readonly outbox: Outbox
  readonly events: EventFactory
  /** True if somebody is to be told. */
  readonly isWanted: (event: EventShape) => boolean
  /** True if events name what a manifest refers to. */
  readonly includesReferences: boolean
}

interface Change {
  readonly action: EventAction
  readonly target: EventTarget
}

interface ReportedChange {
  readonly event: RegistryEvent
  readonly announced: AnnouncedChange
}

/** Does changes so that nobody misses them. */
export class ChangeReporter {
  readonly includesReferences: boolean
  readonly #parts: ChangeReporterParts
  /** Of manifests that were put and are about to be tagged. */
  readonly #references = new WeakMap<Descriptor, readonly ReferencedContent[]>()

  constructor(parts: ChangeReporterParts) {
    this.includesReferences = parts.includesReferences
    this.#parts = parts
  }

  /** @param eventsOf what is announced becomes; without subscribers it costs no write
   *  @param work calls `announce` once it is sure to make the change, as a rule once
   *  @param hasHappened of a change that was announced, if the work ended well. Default: all of them */
  async report<Announced, Result>(
    eventsOf: (announced: Announced) => readonly Change[],
    work: (announce: (announced: Announced) => Promise<void>) => Promise<Result>,
    hasHappened: (result: Result, event: RegistryEvent) => boolean = () => true,
  ): Promise<Result> {
    const changes: ReportedChange[] = []
    const announce = async (announced: Announced) => {
      const begun = eventsOf(announced)
        .filter((change) => this.#parts.isWanted(change))
        .map((change) => this.#announce(change))
      changes.push(...begun)
      await Promise.all(begun.map(({ announced: { durable } }) => durable))
    }
    let result: Result
    try {
      result = await work(announce)
    } catch (error) {
      for (const { announced } of changes) await announced.end('unknown')
      throw error
    }
    await Promise.all(
      changes.map(({ event, announced }) =>
        announced.end(hasHappened(result, event) ? 'happened' : 'failed'),
      ),
    )
    return result
  }

  keepReferences(manifest: Descriptor, references: readonly ReferencedContent[] | undefined): void {
    if (references !== undefined) this.#references.set(manifest, references)
  }

  referencesOf(manifest: Descriptor): readonly ReferencedContent[] | undefined {
    return this.#references.get(manifest)
  }

  #announce({ action, target }: Change): ReportedChange {
    const event = this.#parts.events.create(action, target)
    return { event, announced: this.#parts.outbox.announce(event) }
  }
}
