/** `entrepot serve`, as a process of its own. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { entrepotMain, runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { RawConnection } from './support/raw-connection.ts'
import { RegistryClient } from './support/registry-client.ts'
import { type RegistryOptions, writeConfig } from './support/registry-process.ts'
import { newSigner, schema1Layers, schema1Payload, signedSchema1 } from './support/schema1.ts'
import { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'
import { untilRefused } from './support/until-refused.ts'

let folder: TemporaryFolder
let dataFolder: string
beforeEach(async () => {
  folder = await temporaryFolder()
  dataFolder = join(folder.path, 'data')
})
afterEach(() => folder.remove())

/** A configuration that serves the data folder on a free port, but for what replaces it. */
function configFile(config: RegistryOptions['config'] = {}): Promise<string> {
  return writeConfig('serve', { dataFolder, configFolder: folder.path, config })
}

/** Starts it at a terminal of its own. */
async function startAtTerminal(): Promise<ServerProcess> {
  const config = await configFile({ log: { formatter: 'text' } })
  const command = ['exec', process.execPath, entrepotMain, 'serve', config]
  return ServerProcess.start({
    file: 'script',
    arguments: ['--quiet', '--return', '--command', command.join(' '), '/dev/null'],
    workingFolder: folder.path,
    readyUrl: (line) => /INFO.*: listening.*"address":"([^"]+)"/.exec(stripVTControlCharacters(line))?.[1],
  })
}

const hasTerminals = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false

function startOnSocket(path: string): Promise<ServerProcess> {
  const config = { http: { net: 'unix', addr: path } }
  return startEntrepot({ dataFolder, configFolder: folder.path, config })
}

/** The status and the text of an answer over a unix socket. */
async function getOverSocket(socketPath: string, path: string): Promise<{ status?: number; body: string }> {
  const outgoing = request({ socketPath, path, agent: false }).end()
  const [incoming] = await once(outgoing, 'response')
  return { status: incoming.statusCode, body: await text(incoming) }
}

describe('entrepot serve', () => {
  // By `script` of util-linux.
  it.skipIf(!hasTerminals)(
    'says at a terminal where it listens, where it stores, and how to push',
    async () => {
      const server = await startAtTerminal()
      const pid = Number(/\((\d+)\): listening/.exec(stripVTControlCharacters(server.output))?.[1])
      try {
        expect(server.output).toContain(`  Entrepot listens on ${server.url}\n`)
        expect(server.output).toContain(`  stores in           ${dataFolder}\n`)
        expect(server.output).toContain('  configured by ')
        expect(server.output).toContain(`docker push ${server.address}/alpine`)
      } finally {
        process.kill(pid, 'SIGTERM')
      }
      expect(await server.exited).toBe(0)
    },
  )

  it('writes logfmt elsewhere, and nothing else', async () => {
    const config = { log: { formatter: 'text' } }
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path, config })
    const client = new RegistryClient(server.url)
    const digest = await client.pushBlob('alpine', Buffer.from('bytes'))
    expect(await client.hasBlob('alpine', digest)).toBe(true)
    expect(await server.stop()).toBe(0)
    for (const line of server.output.split('\n'))
      expect(line).toMatch(/^time="[^"]+" level=info msg=("[^"]+"|\S+)( [A-Za-z.]+=("[^"]*"|\S*))*$/)
    expect(server.output).toContain(` http.request.uri=/v2/alpine/blobs/`)
  })

  it('opens no debugger for who may send it signals', async () => {
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    process.kill(server.pid, 'SIGUSR1')
    const client = new RegistryClient(server.url)
    await client.pushBlob('a', Buffer.from('bytes'))
    await server.stop()
    expect(server.output).not.toContain('Debugger')
  })

  it('says to programs the same in one line', async () => {
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    const lines = server.output.split('\n').map((line) => JSON.parse(line) as { msg: string })
    // The index of a new folder may be filled just before or after.
    expect(lines.filter(({ msg }) => msg !== 'the index is filled')).toEqual([
      expect.objectContaining({
        msg: 'listening',
        address: server.url,
        storage: dataFolder,
        config: join(folder.path, 'entrepot.yml'),
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        pid: server.pid,
      }),
    ])
  })

  it('ends gently when it is asked to, and what was pushed is there the next time', async () => {
    const options = { dataFolder, configFolder: folder.path }
    await using first = await startEntrepot(options)
    const digest = await new RegistryClient(first.url).pushBlob('a/b', Buffer.from('bytes'))
    expect(await first.stop()).toBe(0)
    await using second = await startEntrepot(options)
    expect(await new RegistryClient(second.url).hasBlob('a/b', digest)).toBe(true)
  })

  it('lets a push come to its end before it ends', async () => {
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    using connection = await halfPush(server)
    const stopped = server.stop()
    await untilRefused(server.url)
    connection.write('rest')
    expect(await connection.until(/^HTTP\/1\.1 202 /m)).toContain('Range: 0-7'.toLowerCase())
    expect(await stopped).toBe(0)
  })

  it('ends at once when it is asked twice', async () => {
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    using _connection = await halfPush(server)
    const stopped = server.stop()
    await untilRefused(server.url)
    await server.stop()
    expect(await stopped).toBe(1)
  })

  it('serves below a prefix, and nowhere else', async () => {
    const http = { addr: '127.0.0.1:0', prefix: '/registry/' }
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path, config: { http } })
    expect((await fetch(`${server.url}/registry/v2/`)).status).toBe(200)
    expect((await fetch(`${server.url}/v2/`)).status).toBe(404)
    const upload = await fetch(`${server.url}/registry/v2/a/blobs/uploads/`, { method: 'POST' })
    expect(upload.headers.get('location')).toMatch(/\/registry\/v2\/a\/blobs\/uploads\/[0-9a-f-]+/)
  })

  it('says which address is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const addr = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const result = await runEntrepot(['serve', await configFile({ http: { addr } })])
    other.close()
    const stderr = `entrepot: listen EADDRINUSE: address already in use ${addr}\n`
    expect(result).toEqual({ code: 1, stdout: '', stderr })
  })

  it('says which folder it cannot write to, and why', async () => {
    const file = join(folder.path, 'file')
    await writeFile(file, 'in the way')
    const root = join(file, 'registry')
    const config = await configFile({ storage: { filesystem: { rootdirectory: root } } })
    const { code, stdout, stderr } = await runEntrepot(['serve', config])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(new RegExp(`^entrepot: cannot write to the folder ${root}: ENOTDIR.*\\n$`))
  })

  it('does not begin to serve with a configuration that it does not understand', async () => {
    const path = join(folder.path, 'config.yml')
    await writeFile(
      path,
      `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${dataFolder}\nauht: {}\n`,
    )
    const { code, stdout, stderr } = await runEntrepot(['serve', path])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('auht')
    await expect(stat(dataFolder)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('entrepot serve on a unix socket', () => {
  it('answers there, and takes the socket along when it ends', async () => {
    const socket = join(folder.path, 'registry.sock')
    await using server = await startOnSocket(socket)
    expect(server.url).toBe(`unix:${socket}`)
    expect(await getOverSocket(socket, '/v2/')).toEqual({ status: 200, body: '{}' })
    expect(await server.stop()).toBe(0)
    await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('takes the place of one that was killed', async () => {
    const socket = join(folder.path, 'registry.sock')
    await using killed = await startOnSocket(socket)
    await killed.kill()
    expect((await stat(socket)).isSocket()).toBe(true)
    await using _server = await startOnSocket(socket)
    expect((await getOverSocket(socket, '/v2/')).status).toBe(200)
  })

  it('leaves alone the socket of one that still runs, and whatever is no socket', async () => {
    const socket = join(folder.path, 'registry.sock')
    await using _server = await startOnSocket(socket)
    await expect(startOnSocket(socket)).rejects.toThrow('address already in use')
    expect((await getOverSocket(socket, '/v2/')).status).toBe(200)
    const file = join(folder.path, 'file')
    await writeFile(file, 'content')
    await expect(startOnSocket(file)).rejects.toThrow('address already in use')
    expect((await stat(file)).size).toBe(7)
    const taken = join(folder.path, 'folder')
    await mkdir(taken)
    await expect(startOnSocket(taken)).rejects.toThrow('address already in use')
  })
})

/** A push of 8 bytes of which 4 have been sent. */
async function halfPush(server: ServerProcess): Promise<RawConnection> {
  const { location } = await new RegistryClient(server.url).beginUpload('a')
  const { pathname, search, port } = new URL(location, server.url)
  const connection = await RawConnection.open(Number(port))
  connection.writeHead(
    `PATCH ${pathname}${search} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 8',
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  connection.write('half')
  return connection
}

describe('compatibility.schema1', () => {
  it.each([
    [undefined, 400],
    [{ schema1: { enabled: true } }, 201],
  ])('%j: a signed manifest of schema 1 is answered with %s', async (compatibility, status) => {
    await using server = await startEntrepot({
      dataFolder,
      configFolder: folder.path,
      config: compatibility && { compatibility },
    })
    const client = new RegistryClient(server.url)
    for (const layer of schema1Layers) await client.pushBlob('a', Buffer.from(layer))
    const body = signedSchema1(schema1Payload(), newSigner('ES256'))
    const put = { method: 'PUT', body, expect: [200, 201, 400] }
    expect((await client.request('/v2/a/manifests/latest', put)).status).toBe(status)
  })
})
