const ROUNDS = 10
const MAX_ROUNDS = 150

/** How what two kinds of work cost differs, as a part of the second. They are done in turns. It is the processor's time
 *  that counts, of this process with all its threads, and of each kind the cheapest time: what else the machine does makes
 *  some dearer and none cheaper. While they differ by more than `tolerance`, it tries again. */
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
