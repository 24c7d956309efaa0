/** Clients that do as they like, against `entrepot serve`, over every protocol: the process and what it serves to others stay
 *  as they were. `FUZZ_STREAMS` says how many requests each target gets in all, `FUZZ_SEED` repeats what was sent. */
import { expect, test } from 'vitest'
import { type Random, seededRandom } from '../support/random.ts'
import { breakOffHandshake, writeNonsense } from './handshakes.ts'
import { fuzzHttp1 } from './http1-requests.ts'
import { fuzzHttp2 } from './http2-streams.ts'
import { Target } from './target.ts'

const streamsInAll = Number(process.env.FUZZ_STREAMS ?? 20_000)
const seed = process.env.FUZZ_SEED ?? String(Date.now())
const CONNECTIONS = 8

const targets = [
  { name: 'encrypted', isEncrypted: true, isGuarded: false },
  { name: 'encrypted, with accounts', isEncrypted: true, isGuarded: true },
  { name: 'in the clear', isEncrypted: false, isGuarded: false },
  { name: 'in the clear, with accounts', isEncrypted: false, isGuarded: true },
]
const streams = Math.ceil(streamsInAll / targets.length)

test.each(targets)(
  'whatever clients send, it is served as before: $name',
  { timeout: 60_000 + streams * 50 },
  async ({ name, ...options }) => {
    process.stdout.write(`\nFUZZ_SEED=${seed} FUZZ_STREAMS=${streamsInAll} (${name})\n`)
    await using target = await Target.start(options)
    let begun = 0
    let connections = 0
    const attack = async () => {
      while (begun < streams) {
        const random = seededRandom(`${seed} ${name} ${connections++}`)
        begun += await fuzzConnection(target, random)
        target.expectSound()
      }
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: CONNECTIONS }, attack))
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    process.stdout.write(`${name}: ${begun} requests on ${connections} connections in ${seconds} s\n`)
    expect(begun).toBeGreaterThanOrEqual(streams)
    await target.expectAsBefore()
    await target.expectToStop()
  },
)

/** @returns how many requests were begun */
async function fuzzConnection(target: Target, random: Random): Promise<number> {
  const kind = random.below(20)
  if (kind === 0) await writeNonsense(await target.connectBare(), random)
  else if (kind === 1 && target.isEncrypted) await breakOffHandshake(target.port, random)
  else if (kind < 10) return fuzzHttp1(await target.connect('http/1.1'), random, target.ingredients)
  else return fuzzHttp2(await target.connect('h2'), random, target.ingredients)
  return 1
}
