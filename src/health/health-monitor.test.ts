import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { startAnswering } from '../../test/support/answering-server.ts'
import { freePort } from '../../test/support/free-port.ts'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { type Check, checkFile, checkHttp, checkTcp } from './checks.ts'
import { HealthMonitor } from './health-monitor.ts'

const never = new AbortController().signal

function check(run: Check['run'], options: Partial<Check> = {}): Check {
  return { name: 'a', intervalMs: 10, threshold: 0, timeoutMs: 30_000, run, ...options }
}

const fails = async () => {
  throw new Error('broken')
}
const succeeds = async () => {}

describe('a check', () => {
  test('that fails is shown until it succeeds, and logged as it changes', async () => {
    const { log, lines } = await RecordedLog.start()
    const monitor = new HealthMonitor(log)
    await monitor.make(check(fails), never)
    await monitor.make(check(fails), never)
    expect([...monitor.failures]).toEqual([['a', 'broken']])
    await monitor.make(check(succeeds), never)
    await monitor.make(check(succeeds), never)
    expect([...monitor.failures]).toEqual([])
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'a health check fails: requests are rejected',
      'a health check has recovered',
    ])
  })

  test('counts once it has failed often enough in a row', async () => {
    const monitor = new HealthMonitor((await RecordedLog.start()).log)
    const threshold = 2
    const seen = []
    for (const run of [fails, succeeds, fails, fails, succeeds, fails]) {
      await monitor.make(check(run, { threshold }), never)
      seen.push(monitor.failures.size)
    }
    expect(seen).toEqual([0, 0, 0, 1, 0, 0])
  })

  test('that does not end has failed', async () => {
    const monitor = new HealthMonitor((await RecordedLog.start()).log)
    await monitor.make(
      check(() => new Promise(() => {}), { timeoutMs: 20 }),
      never,
    )
    expect([...monitor.failures]).toEqual([['a', 'no answer in 20 ms']])
  })

  test('that is cut off shows nothing', async () => {
    const monitor = new HealthMonitor((await RecordedLog.start()).log)
    const stopping = new AbortController()
    const made = monitor.make(
      check(() => new Promise(() => {})),
      stopping.signal,
    )
    stopping.abort()
    await made
    expect([...monitor.failures]).toEqual([])
  })
})

test('a file fails while it exists', async () => {
  await using folder = await temporaryFolder()
  const path = `${folder.path}/stop`
  await checkFile(path)
  await checkFile(`${path}/below`)
  await writeFile(path, '')
  await expect(checkFile(path)).rejects.toThrow('file exists')
})

describe('an address of HTTP', () => {
  test('is sent the headers by a HEAD, and fails unless its status is the one', async () => {
    const seen: unknown[] = []
    await using server = await startAnswering(({ method, headers }, response) => {
      seen.push([method, headers['x-a']])
      response.writeHead(204).end()
    })
    const options = { uri: server.url, headers: { 'x-a': ['1', '2'] }, statusCode: 204 }
    await checkHttp(options, never)
    expect(seen).toEqual([['HEAD', '1, 2']])
    await expect(checkHttp({ ...options, statusCode: 200 }, never)).rejects.toThrow(
      'downstream service returned unexpected status: 204',
    )
  })

  test('fails when nobody listens', async () => {
    const uri = `http://127.0.0.1:${await freePort()}/`
    await expect(checkHttp({ uri, headers: {}, statusCode: 200 }, never)).rejects.toThrow(
      /^error while checking http:.*ECONNREFUSED/,
    )
  })
})

test('an address of TCP fails unless somebody listens', async () => {
  await using server = await startAnswering(() => {})
  const port = Number(new URL(server.url).port)
  await checkTcp('there', { host: '127.0.0.1', port, signal: never })
  const free = await freePort()
  await expect(checkTcp('gone:1', { host: '127.0.0.1', port: free, signal: never })).rejects.toThrow(
    /^connection to gone:1 failed: .*ECONNREFUSED/,
  )
})
