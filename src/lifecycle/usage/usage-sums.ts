import type { UsageFigures } from '../../core/lifecycle/usage.ts'
import { organisationOf } from './count.ts'
import type { Scope } from './quotas.ts'
import type { Change } from './usage-files.ts'

/** Sums of changes by repository and by organisation, so that a limit is checked without going through all repositories. */
export class UsageSums {
  readonly #sums: Readonly<Record<Scope['kind'], Map<string, UsageFigures>>> = {
    repository: new Map(),
    organisation: new Map(),
  }

  /** Adds what was counted, as it is. */
  addCounted({ kind, name }: Scope, { bytes, tags }: UsageFigures): void {
    const sums = this.#sums[kind]
    const { bytes: bytesBefore, tags: tagsBefore } = sums.get(name) ?? NOTHING
    sums.set(name, { bytes: bytesBefore + bytes, tags: tagsBefore + tags })
  }

  /** @param sign -1 takes the change back */
  add(repository: string, [bytes, tags, organisationBytes]: Change, sign: 1 | -1 = 1): void {
    this.addCounted({ kind: 'repository', name: repository }, { bytes: sign * bytes, tags: sign * tags })
    const name = organisationOf(repository)
    this.addCounted({ kind: 'organisation', name }, { bytes: sign * organisationBytes, tags: sign * tags })
  }

  of({ kind, name }: Scope): UsageFigures {
    return this.#sums[kind].get(name) ?? NOTHING
  }
}

const NOTHING: UsageFigures = { bytes: 0, tags: 0 }
