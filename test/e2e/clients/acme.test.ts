/** Certificates by ACME, from a real authority. */
import { once } from 'node:events'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type PeerCertificate } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { entrepotMain, runEntrepot } from '../../support/command.ts'
import { describeWith } from '../../support/describe-with.ts'
import { listeningUrl } from '../../support/entrepot-process.ts'
import { freePort } from '../../support/free-port.ts'
import { writeConfig } from '../../support/registry-process.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { Pebble } from './pebble.ts'

const hosts = ['registry.example.com', 'images.example.com']

describeWith(['pebble', 'pebble-challtestsrv'], 'certificates by ACME', () => {
  let folder: TemporaryFolder
  let port: number
  beforeEach(async () => {
    folder = await temporaryFolder()
    port = await freePort()
  })
  afterEach(() => folder.remove())

  const cache = () => join(folder.path, 'certificates')

  async function start(
    { directoryUrl, caPath }: Pick<Pebble, 'directoryUrl' | 'caPath'>,
    { at = port } = {},
  ): Promise<ServerProcess> {
    const letsencrypt = { cachefile: cache(), email: 'me@example.com', hosts, directoryurl: directoryUrl }
    const config = await writeConfig(`entrepot-${at}`, {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config: { http: { addr: `127.0.0.1:${at}`, tls: { letsencrypt } } },
    })
    return ServerProcess.start({
      file: process.execPath,
      arguments: [entrepotMain, 'serve', config],
      environment: { NODE_EXTRA_CA_CERTS: caPath },
      workingFolder: folder.path,
      readyUrl: listeningUrl,
    })
  }

  const startPebble = (validitySeconds?: number) =>
    Pebble.start({ folder: folder.path, tlsPort: port, ...(validitySeconds && { validitySeconds }) })

  /** The certificate that is served for a host, which must be good; undefined as long as there is none. */
  async function certificateFor(servername: string, { ca, at = port }: { ca: string; at?: number }) {
    const socket = connect({ host: '127.0.0.1', port: at, servername, ca, ALPNProtocols: ['h2'] })
    try {
      await once(socket, 'secureConnect')
      return socket.getPeerCertificate()
    } catch {
      return undefined
    } finally {
      socket.destroy()
    }
  }

  const untilServed = async (servername: string, options: { ca: string; at?: number }) => {
    await expect.poll(() => certificateFor(servername, options), { timeout: 60_000 }).toBeDefined()
    return (await certificateFor(servername, options)) as PeerCertificate
  }

  test('are had for every host, kept, and used again by the next process', async () => {
    await using pebble = await startPebble()
    const ca = await pebble.root()
    await using server = await start(pebble)
    expect(server.url).toBe(`https://127.0.0.1:${port}`)
    const serials = []
    for (const host of hosts) {
      const { subjectaltname, serialNumber } = await untilServed(host, { ca })
      expect(subjectaltname).toBe(`DNS:${host}`)
      serials.push(serialNumber)
    }
    expect((await readdir(cache())).sort()).toEqual(['acme_account+key', ...hosts].sort())
    expect(await readFile(join(cache(), hosts[0] as string), 'utf8')).toMatch(
      /^-----BEGIN EC PRIVATE KEY-----[\s\S]*-----BEGIN CERTIFICATE-----[\s\S]*-----BEGIN CERTIFICATE-----/,
    )
    expect((await stat(join(cache(), hosts[0] as string))).mode & 0o777).toBe(0o600)
    expect(await server.stop()).toBe(0)
    await using next = await start(pebble)
    for (const [index, host] of hosts.entries()) {
      expect((await certificateFor(host, { ca }))?.serialNumber).toBe(serials[index])
    }
    expect(next.output).not.toContain('a certificate was issued')
    expect(pebble.issued).toBe(hosts.length)
  })

  test('are had again before they end, while clients are served', async () => {
    await using pebble = await startPebble(30)
    const ca = await pebble.root()
    await using _server = await start(pebble)
    const first = await untilServed(hosts[0] as string, { ca })
    const serial = async () =>
      (await certificateFor(hosts[0] as string, { ca }))?.serialNumber ?? first.serialNumber
    await expect.poll(serial, { timeout: 60_000, interval: 500 }).not.toBe(first.serialNumber)
    expect(Date.now()).toBeLessThan(new Date(first.valid_to).getTime())
  })

  test('are shared by processes that share the folder', async () => {
    await using pebble = await startPebble()
    const ca = await pebble.root()
    const at = await freePort()
    await using _one = await start(pebble)
    await using _other = await start(pebble, { at })
    const { serialNumber } = await untilServed(hosts[0] as string, { ca })
    expect((await untilServed(hosts[0] as string, { ca, at })).serialNumber).toBe(serialNumber)
    await untilServed(hosts[1] as string, { ca, at })
    expect(pebble.issued).toBe(hosts.length)
  })

  // The client library tries some times by itself before it gives up.
  const patient = { timeout: 240_000 }

  test(
    'are asked for again after a pause only, also by a process that has just started',
    patient,
    async () => {
      await using pebble = await startPebble()
      const nobody = { directoryUrl: `https://localhost:${await freePort()}/dir`, caPath: pebble.caPath }
      await using server = await start(nobody)
      const attempts = async () => (await readdir(cache())).filter((name) => name.endsWith('+attempt'))
      const refused = () => server.output.match(/no certificate was issued/g)?.length
      await expect.poll(refused, { timeout: 200_000 }).toBe(hosts.length)
      expect(server.output).toContain('"retryInMinutes":5')
      await expect.poll(attempts).toHaveLength(hosts.length)
      await server.stop()
      await using next = await start(pebble)
      await expect(runEntrepot(['--version'])).resolves.toMatchObject({ code: 0 })
      expect(next.output).not.toContain('certificate was issued')
      expect(pebble.issued).toBe(0)
    },
  )

  test('need a folder', async () => {
    const letsencrypt = { cachefile: join(folder.path, 'entrepot.yml'), email: '', hosts }
    const path = await writeConfig('entrepot', {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config: { http: { addr: '127.0.0.1:0', tls: { letsencrypt } } },
    })
    const { code, stderr } = await runEntrepot(['serve', path])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^entrepot: http\.tls\.letsencrypt\.cachefile cannot be used as a folder: EEXIST/)
  })
})
