const ROUNDS = 10
const MAX_ROUNDS = 150

/** How the times of two kinds of work differ, as a part of the second. They are done in turns; what else the machine does
 *  makes some slower and none faster, so their quick quarters are compared, and again with more of them while they differ
 *  by more than `tolerance`. */
export async function relativeDifference(
  [one, other]: readonly [() => Promise<unknown>, () => Promise<unknown>],
  { tolerance }: { tolerance: number },
): Promise<number> {
  const times: [number[], number[]] = [[], []]
  for (;;) {
    for (let round = 0; round < ROUNDS; round++) {
      times[0].push(await millisecondsOf(one))
      times[1].push(await millisecondsOf(other))
    }
    const difference = Math.abs(quartileOf(times[0]) / quartileOf(times[1]) - 1)
    if (difference < tolerance || times[0].length >= MAX_ROUNDS) return difference
  }
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function quartileOf(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 2]!
}
