import type * as z from 'zod'
import type { CatalogIndex } from '../../../core/catalog/catalog-index.ts'
import { isErrorOf, RegistryError } from '../../../core/errors.ts'
import type { indexState } from './answers.ts'
import { timeOf } from './reply.ts'

interface Ask<Answer> {
  index(index: CatalogIndex): Promise<Answer>
  /** @param refusal thrown for what storage can't answer */
  storage(refusal: RegistryError): Promise<Answer>
}

type State = z.infer<typeof indexState>

/** Asks the index; without one, or while its database can't be used, storage. Says which of them has answered. */
export async function indexOrStorage<Answer extends object>(
  index: CatalogIndex | undefined,
  ask: Ask<Answer>,
): Promise<Answer & { index: State }> {
  if (index === undefined) return { ...(await ask.storage(withoutIndex())), index: storageIs(true) }
  try {
    const [answer, { isComplete, asOf }] = await Promise.all([ask.index(index), index.state()])
    return { ...answer, index: { search: true, complete: isComplete, asOf: timeOf(asOf) } }
  } catch (error) {
    if (!isErrorOf(error, 'UNAVAILABLE')) throw error
    return { ...(await ask.storage(error)), index: storageIs(false) }
  }
}

/** @param complete false if there will be more to see, by the index */
function storageIs(complete: boolean): State {
  return { search: false, complete, asOf: null }
}

/** The answer if something can only be had from the index, and there is none. */
function withoutIndex(): RegistryError {
  return new RegistryError('REQUEST_INVALID', {
    message: 'the catalog is not indexed, so there is no search and no order but by name; see index.enabled',
  })
}
