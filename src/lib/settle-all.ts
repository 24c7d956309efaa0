/** Fulfilled when all are. When some fail, the rest is waited for all the same, so that nothing goes on behind the back of
 *  who hears of it; the error is that of the first in the list. */
export async function settleAll(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}
