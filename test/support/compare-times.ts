const ROUNDS = 10
const MAX_ROUNDS = 150

/** Difference in cost of two kinds of work, relative to the second. They run in turns. Compared is the CPU
 *  time of this process with all its threads, the lowest of each kind, because other processes can only
 *  increase it. If they differ by more than `tolerance`, it tries again. */
export async function relativeDifference(
  [one, other]: readonly [() => Promise<unknown>, () => Promise<unknown>],
  { tolerance }: { tolerance: number },
): Promise<number> {
  const cheapest: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 1; ; round++) {
    cheapest[0] = Math.min(cheapest[0], await microsecondsOf(one))
    cheapest[1] = Math.min(cheapest[1], await microsecondsOf(other))
    if (round % ROUNDS !== 0) continue
    const difference = Math.abs(cheapest[0] / cheapest[1] - 1)
    if (difference < tolerance || round >= MAX_ROUNDS) return difference
  }
}

async function microsecondsOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
