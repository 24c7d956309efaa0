/** What operators see of endpoints at `/debug/vars`: the same keys and figures, but for credentials. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver } from '../../support/event-receiver.ts'
import { freePort } from '../../support/free-port.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const HOST = '127.0.0.1'
const SECRET = 'hunter2'

type Variables = Record<string, unknown> & { readonly Headers: object; readonly url: string }

interface Shown {
  readonly notifications: { readonly endpoints: Variables[] }
}

const generations: [string, StartRegistry][] = [
  ['docker-registry', (options) => startDistribution(options)],
  ['registry', (options) => startDistribution(options, 'registry')],
]

for (const [tool, start] of generations) {
  describeWith([tool], `the variables of ${tool} and of Entrepot`, () => {
    test('have the same keys and figures', async () => {
      const theirs = await variablesAfterPush(start)
      const ours = await variablesAfterPush(startEntrepot)
      expect(JSON.stringify(theirs)).toContain(SECRET)
      expect(JSON.stringify(ours)).not.toContain(SECRET)
      expect(ours.map(withoutCredentials)).toEqual(theirs.map(withoutCredentials))
    })
  })
}

/** The endpoints, once a receiver was told of one push; another one is disabled. */
async function variablesAfterPush(start: StartRegistry): Promise<Variables[]> {
  await using receiver = await EventReceiver.start()
  await using folder = await temporaryFolder()
  const addr = `${HOST}:${await freePort(HOST)}`
  const url = `${receiver.url.replace('http://', `http://me:${SECRET}@`)}?token=${SECRET}`
  const told = {
    ...{
      name: 'receiver',
      url,
      headers: { 'X-Token': [SECRET] },
      timeout: '20s',
      threshold: 4,
      backoff: '3s',
    },
    ...{ ignoredmediatypes: ['text/plain'], ignore: { mediatypes: ['text/html'], actions: ['delete'] } },
  }
  const endpoints = [told, { name: 'off', disabled: true, url }]
  await using server = await start({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: { http: { addr: `${HOST}:0`, secret: 'a', debug: { addr } }, notifications: { endpoints } },
  })
  await new RegistryClient(server.url).pushBlob('a', Buffer.from('bytes'))
  const read = async (): Promise<Variables[] | undefined> => {
    // Distribution's debug server begins by itself.
    const found = await fetch(`http://${addr}/debug/vars`).catch(() => undefined)
    const { registry } = ((await found?.json()) ?? {}) as { registry?: Shown }
    return registry?.notifications.endpoints
  }
  await expect.poll(read).toMatchObject([{ Metrics: { Pending: 0, Successes: 1 } }])
  return (await read()) ?? []
}

/** With the path of the URL only, and without the values of headers. The port differs. */
function withoutCredentials({ url, Headers, ...others }: Variables) {
  return { path: new URL(url).pathname, headers: Object.keys(Headers), ...others }
}
