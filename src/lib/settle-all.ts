/** Resolves once all promises have. If some reject, the others are still awaited, so that no work goes on in
 *  the background; it then rejects with the error of the first in the list. */
export async function settleAll(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}
