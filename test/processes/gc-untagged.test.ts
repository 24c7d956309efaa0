/** Two registries over one folder, clients that tag indexes and remove the tags, and a command that removes what is untagged, again and
 *  again. */
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type Send, TaggingClient } from '../crash/gc/tagging.ts'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { seededRandom } from '../support/random.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROUNDS = 2
const CLIENTS = 6
const MINUTES_2 = 120_000

test('what is tagged is whole, whatever is removed beside it', async () => {
  await using folder = await temporaryFolder()
  const dataFolder = `${folder.path}/data`
  const maintenance = { gc: { enabled: true, schedule: 'never', grace: '0s' } }
  const storage = { filesystem: { rootdirectory: dataFolder }, maintenance }
  const config = { http: { addr: '127.0.0.1:0' }, storage }
  await using stack = new AsyncDisposableStack()
  const servers: ServerProcess[] = []
  for (const _ of [1, 2])
    servers.push(stack.use(await startEntrepot({ dataFolder, configFolder: folder.path, config })))
  const file = `${folder.path}/gc.yml`
  await writeFile(file, JSON.stringify({ version: 0.1, ...config }))
  const random = seededRandom(String(Date.now()))
  const send: Send = async (request, { headers, body } = {}) => {
    const [method = '', path = ''] = request.split(' ')
    const url = `${random.pick(servers).url}${path}`
    const answer = await fetch(url, { method, ...(headers && { headers }), ...(body && { body }) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, headers: {}, body: bytes }
  }
  const clients = Array.from({ length: CLIENTS }, (_, number) => new TaggingClient(number, { send, random }))
  let isOver = false
  const working = Promise.all(clients.map((client) => client.work(() => isOver)))
  let removed = 0
  try {
    for (let round = 0; round < ROUNDS || removed === 0; round++) {
      const args = ['gc', file, '--delete-untagged', '--json']
      const { code, stdout, stderr } = await runEntrepot(args, { timeoutMs: MINUTES_2 })
      expect([code, stderr]).toEqual([0, ''])
      removed += JSON.parse(stdout.trim().split('\n').at(-1) as string).removedManifests
    }
  } finally {
    isOver = true
    await working
  }
  for (const client of clients) await client.look()
  expect(clients.flatMap(({ losses }) => losses)).toEqual([])
  expect(removed).toBeGreaterThan(0)
})
