import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'vitest'
import { RegistryClient } from '../support/registry-client.ts'
import { startRegistry } from '../support/registry-under-test.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Fleet } from './fleet.ts'
import { LinkCheck } from './links.ts'

const rounds = Number(process.env.CRASH_ROUNDS ?? 100)
const seed = process.env.CRASH_SEED ?? String(Date.now())
const pusherCount = 6
/** Until there is a registry. */
const nowhere = new RegistryClient('http://127.0.0.1:9')
const maxAcknowledgementsBeforeKill = 60
const maxMillisecondsBeforeKill = 15

test(`${rounds} kills during pushes lose nothing that was acknowledged`, {
  timeout: rounds * 20_000,
}, async () => {
  process.stdout.write(`\nCRASH_SEED=${seed} CRASH_ROUNDS=${rounds}\n`)
  await using folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  const start = () => startRegistry({ dataFolder, configFolder: folder.path })
  const links = new LinkCheck(dataFolder)
  const fleet = new Fleet({ seed, clients: Array.from({ length: pusherCount }, () => nowhere) })

  for (let round = 1; round <= rounds; round++) {
    await killedWhilePushing(await start(), fleet)
    await links.expectSound()
    await using server = await start()
    await fleet.expectPromisesKept(new RegistryClient(server.url), { everything: round === rounds })
  }
  links.readAgain()
  await links.expectSound()
  process.stdout.write(`${fleet.acknowledgements} acknowledgements in ${rounds} rounds\n`)
})

async function killedWhilePushing(server: ServerProcess, fleet: Fleet): Promise<void> {
  const pushing = fleet.pushUntilGone(new RegistryClient(server.url))
  try {
    await Promise.race([fleet.enoughAcknowledged(maxAcknowledgementsBeforeKill), pushing])
    await pause(fleet.random.below(maxMillisecondsBeforeKill))
  } finally {
    await server.kill()
  }
  await pushing
}
