/** `npm run bench`: Entrepot beside other registries, the same work in turn, one table. See docs/benchmarks.md. */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Options, parseOptions, UsageError, usage } from './options.ts'
import { findRegistries, type Registry } from './registries.ts'
import type { Figure, Row, Time } from './rows/row.ts'
import { startServer } from './servers.ts'
import { formatTable, type Outcome } from './table.ts'

process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  const args = process.argv.slice(2)
  if (args[0] === 'gc') await (await import('./gc/main.ts')).benchCollection(args.slice(1))
  else if (args[0] === 'client') await (await import('./clients/main.ts')).benchClients(args.slice(1))
  else await run(args)
} catch (failure) {
  if (!(failure instanceof UsageError)) throw failure
  console.error(`${failure.message}\n\n${usage}`)
  process.exitCode = 2
}

async function run(args: string[]): Promise<void> {
  const options = parseOptions(args)
  if (options.help) console.log(usage)
  else await bench(options)
}

async function bench(options: Options): Promise<void> {
  const { rows, rounds, json } = options
  const registries = findRegistries(options.registries, options)
  for (const id of options.registries) {
    if (id !== 'baseline' && !registries.some((registry) => registry.id === id))
      console.error(`${id} is not on this machine: left out`)
  }
  const outcomes: Outcome[] = []
  // Rows are compared with each other too, so that a machine that becomes slower does not favour the first ones.
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      for (const registry of registries.filter(({ id }) => row.registries?.includes(id) ?? true))
        outcomes.push(...(await measure(row, { registry, round, time: options })))
    }
  }
  console.log(formatTable(rows, registries, outcomes))
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(outcomes, undefined, 2)}\n`)
}

/** One registry's turn at a row. */
async function measure(
  row: Row,
  turn: { registry: Registry; round: number; time: Time },
): Promise<Outcome[]> {
  const { registry, round, time } = turn
  const outcomes: Outcome[] = []
  for (let repeat = 0; repeat < (row.repeats ?? 1); repeat++) {
    const place = { row: row.id, registry: registry.id, round }
    try {
      const figures = await measureOnce(row, registry, time)
      outcomes.push({ ...place, figures })
    } catch (failure) {
      outcomes.push({
        ...place,
        figures: [],
        failure: failure instanceof Error ? failure.message : `${failure}`,
      })
    }
    report(outcomes.at(-1)!)
  }
  return outcomes
}

async function measureOnce(row: Row, registry: Registry, time: Time): Promise<Figure[]> {
  const server = await startServer(registry, row.variant)
  try {
    return await row.measure(server, time)
  } catch (failure) {
    // If the server has ended, its last output tells more than a lost connection.
    await Promise.race([server.ended, sleep(100)])
    throw failure
  } finally {
    await server.stop()
  }
}

function report({ row, registry, round, figures: [first], failure }: Outcome): void {
  const said = first ? `${first.value.toPrecision(3)} ${first.unit}` : `failed: ${failure}`
  console.error(`${row}, round ${round}, ${registry}: ${said}`)
}
