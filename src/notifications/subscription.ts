import picomatch from 'picomatch'
import type { RegistryEvent } from './event.ts'

/** Which events an endpoint is told of. An empty list of repositories, actions or media types stands for all of them. */
export interface SubscriptionSettings {
  /** Names or globs. */
  readonly repositories: readonly string[]
  readonly actions: readonly string[]
  readonly mediaTypes: readonly string[]
  readonly ignoredActions: readonly string[]
  readonly ignoredMediaTypes: readonly string[]
}

export type EventShape = Pick<RegistryEvent, 'action' | 'target'>

export class Subscription {
  readonly #actions: (action: string) => boolean
  readonly #mediaTypes: (mediaType: string) => boolean
  readonly #isInRepositories: (repository: string) => boolean

  constructor(settings: SubscriptionSettings) {
    this.#actions = filter(settings.actions, settings.ignoredActions)
    this.#mediaTypes = filter(settings.mediaTypes, settings.ignoredMediaTypes)
    const { repositories } = settings
    this.#isInRepositories =
      repositories.length === 0
        ? () => true
        : picomatch([...repositories], { nonegate: true, noextglob: true })
  }

  /** A deletion has no media type: filters by media type let it pass. */
  wants({ action, target: { mediaType, repository } }: EventShape): boolean {
    if (!this.#actions(action)) return false
    if (mediaType !== undefined && !this.#mediaTypes(mediaType)) return false
    return this.#isInRepositories(repository)
  }

  wantsAction(action: string): boolean {
    return this.#actions(action)
  }
}

function filter(wanted: readonly string[], ignored: readonly string[]): (found: string) => boolean {
  const [wants, ignores] = [new Set(wanted), new Set(ignored)]
  return (found) => !ignores.has(found) && (wants.size === 0 || wants.has(found))
}
