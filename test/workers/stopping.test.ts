/** Starting and stopping several workers is starting and stopping one registry. */
import { once } from 'node:events'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { type RegistryOptions, writeConfig } from '../support/registry-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { answerTo } from './support.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

function options(config: RegistryOptions['config']): RegistryOptions {
  return { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config }
}

function start(http: Readonly<Record<string, unknown>> = {}): Promise<ServerProcess> {
  return startEntrepot(options({ http: { addr: '127.0.0.1:0', workers: 2, ...http } }))
}

const large = Buffer.alloc(32 * 1024 ** 2, 'bytes')

/** A download of which little more than the head was taken. */
async function slowDownload(server: ServerProcess): Promise<RawConnection> {
  const digest = await new RegistryClient(server.url).pushBlob('a', large)
  const connection = await RawConnection.open(Number(new URL(server.url).port))
  connection.writeHead(`GET /v2/a/blobs/${digest} HTTP/1.1`, 'Host: a')
  await connection.until(/\r\n\r\n/)
  connection.socket.pause()
  return connection
}

async function refusesConnections(server: ServerProcess): Promise<void> {
  for (;;) {
    try {
      const connection = await RawConnection.open(Number(new URL(server.url).port))
      connection[Symbol.dispose]()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ECONNREFUSED') return
      if (code !== 'ECONNRESET') throw error // one that was accepted just before
    }
  }
}

test.each([
  ['the supervisor alone', (server: ServerProcess) => process.kill(server.pid, 'SIGTERM')],
  ['all processes, as a terminal does it', (server: ServerProcess) => process.kill(-server.pid, 'SIGINT')],
])('a signal to %s lets a slow download come to its end', async (_, signal) => {
  await using server = await start()
  using connection = await slowDownload(server)
  signal(server)
  await refusesConnections(server)
  connection.socket.resume()
  await connection.closed
  const { received } = connection
  expect(received.length - received.indexOf('\r\n\r\n') - 4).toBe(large.length)
  expect(await server.exited).toBe(0)
  expect(server.output).toContain('"msg":"stopped"')
})

test('a second signal ends all at once', async () => {
  await using server = await start()
  using connection = await slowDownload(server)
  const stopped = server.stop()
  await refusesConnections(server)
  await server.stop()
  expect(await stopped).toBe(1)
  connection.socket.resume()
  await connection.closed
})

test('what takes longer than the time to drain is cut off, and that is a clean end', async () => {
  await using server = await start({ draintimeout: '200ms' })
  using connection = await slowDownload(server)
  expect(await server.stop()).toBe(0)
  connection.socket.resume()
  await connection.closed
  expect(connection.received.length).toBeLessThan(large.length)
})

test('says once where it listens', async () => {
  await using server = await start({ workers: 3 })
  expect(server.output.split('\n').filter((line) => line.includes('"msg":"listening"'))).toHaveLength(1)
})

test('serves on a unix socket, takes it along, and takes the place of one that was killed', async () => {
  const socketPath = join(folder.path, 'registry.sock')
  await using killed = await start({ net: 'unix', addr: socketPath })
  await killed.kill()
  expect((await stat(socketPath)).isSocket()).toBe(true)
  await using server = await start({ net: 'unix', addr: socketPath })
  expect(server.url).toBe(`unix:${socketPath}`)
  for (let time = 0; time < 4; time++) {
    const answer = await answerTo(request({ socketPath, path: '/v2/', agent: false }).end())
    expect([answer.status, answer.body.toString()]).toEqual([200, '{}'])
  }
  expect(await server.stop()).toBe(0)
  await expect(stat(socketPath)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('says which address is taken, and leaves nothing behind', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const addr = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const config = await writeConfig('taken', options({ http: { addr, workers: 2 } }))
  // Its output ends when the last process that could write to it does.
  const result = await runEntrepot(['serve', config])
  other.close()
  const stderr = `entrepot: bind EADDRINUSE ${addr}: address already in use\n`
  expect(result).toEqual({ code: 1, stdout: '', stderr })
})

test('says which folder it cannot write to', async () => {
  const file = join(folder.path, 'file')
  await writeFile(file, 'in the way')
  const rootdirectory = join(file, 'registry')
  const storage = { filesystem: { rootdirectory } }
  const http = { addr: '127.0.0.1:0', workers: 2 }
  const config = await writeConfig('blocked', options({ storage, http }))
  const { code, stdout, stderr } = await runEntrepot(['serve', config])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(new RegExp(`^entrepot: cannot write to the folder ${rootdirectory}: ENOTDIR.*\\n$`))
})

test('a socket that is in use stays the other one’s', async () => {
  const socketPath = join(folder.path, 'registry.sock')
  await mkdir(join(folder.path, 'data'))
  const other = createServer().listen(socketPath)
  await once(other, 'listening')
  await expect(start({ net: 'unix', addr: socketPath })).rejects.toThrow('address already in use')
  expect((await stat(socketPath)).isSocket()).toBe(true)
  other.close()
})

test('nobody becomes a worker by himself', async () => {
  const { code, stderr } = await runEntrepot(['worker'])
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('no command "worker"') })
})
