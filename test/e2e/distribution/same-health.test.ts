import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startAnswering } from '../../support/answering-server.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { freePort } from '../../support/free-port.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** An address of its own, so that a port that was free a moment ago still is. */
const debugHost = '127.83.0.2'

describeWith(['docker-registry'], 'health checks that fail', () => {
  test('are answered alike by Distribution and Entrepot', async () => {
    await using folder = await temporaryFolder()
    await using down = await startAnswering((_request, response) => {
      response.writeHead(500).end()
    })
    const stop = join(folder.path, 'stop')
    await writeFile(stop, '')
    const health = {
      storagedriver: { enabled: true, interval: '100ms', threshold: 3 },
      file: [{ file: stop, interval: '100ms' }],
      http: [{ uri: down.url, headers: { 'X-A': ['b'] }, timeout: '5s', interval: '100ms', threshold: 2 }],
    }
    const [theirs, ours] = [
      await answersOf(startDistribution, { folder: join(folder.path, 'theirs'), health }),
      await answersOf(startEntrepot, { folder: join(folder.path, 'ours'), health }),
    ]
    expect(theirs.debug).toMatchObject({ status: 503, body: { [stop]: 'file exists' } })
    expect(ours).toEqual(theirs)
  })
})

async function answersOf(start: StartRegistry, { folder, health }: { folder: string; health: unknown }) {
  const debugAddress = `${debugHost}:${await freePort(debugHost)}`
  await using server = await start({
    dataFolder: join(folder, 'data'),
    configFolder: folder,
    config: { http: { addr: '127.0.0.1:0', debug: { addr: debugAddress } }, health },
  })
  const debug = `http://${debugAddress}/debug/health`
  await expect.poll(async () => Object.keys((await answerOf(debug)).body).length).toBe(2)
  return { debug: await answerOf(debug), api: await answerOf(`${server.url}/v2/`) }
}

async function answerOf(url: string) {
  const answer = await fetch(url)
  return {
    status: answer.status,
    type: answer.headers.get('content-type')?.split(';')[0],
    body: (await answer.json()) as object,
  }
}
