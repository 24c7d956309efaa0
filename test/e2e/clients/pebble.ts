/** An authority that gives out certificates by ACME on this machine: pebble, with a name server for which every host is
 *  127.0.0.1. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Authority } from '../../support/authority.ts'
import { freePort } from '../../support/free-port.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { requireTool } from '../../support/tools.ts'

export interface PebbleOptions {
  readonly folder: string
  /** Where it looks whether a host is whose it says it is. */
  readonly tlsPort: number
  /** How long its certificates live. */
  readonly validitySeconds?: number
}

export class Pebble implements AsyncDisposable {
  readonly directoryUrl: string
  /** PEM: who vouches for its own address, not for the certificates that it gives out. */
  readonly caPath: string
  readonly #ca: string
  readonly #managementPort: number
  readonly #servers: readonly ServerProcess[]

  private constructor(parts: {
    port: number
    managementPort: number
    ca: string
    caPath: string
    servers: readonly ServerProcess[]
  }) {
    this.directoryUrl = `https://localhost:${parts.port}/dir`
    this.caPath = parts.caPath
    this.#ca = parts.ca
    this.#managementPort = parts.managementPort
    this.#servers = parts.servers
  }

  static async start({ folder, tlsPort, validitySeconds = 3600 }: PebbleOptions): Promise<Pebble> {
    const authority = await Authority.create("whoever vouches for the authority's address")
    const { cert, key } = await authority.issue('pebble')
    const [port, managementPort, dnsPort, dnsManagementPort] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ])
    const at = (name: string) => join(folder, name)
    const config = {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${managementPort}`,
      certificate: at('pebble.crt'),
      privateKey: at('pebble.key'),
      httpPort: 1,
      tlsPort,
      profiles: { default: { description: 'the only one', validityPeriod: validitySeconds } },
    }
    await writeFile(at('pebble.crt'), cert)
    await writeFile(at('pebble.key'), key)
    await writeFile(at('pebble-ca.pem'), authority.cert)
    await writeFile(at('pebble.json'), JSON.stringify({ pebble: config }))
    const dns = await startNameServer(dnsPort, dnsManagementPort)
    const server = await ServerProcess.start({
      file: requireTool('pebble'),
      arguments: ['-config', at('pebble.json'), '-dnsserver', `127.0.0.1:${dnsPort}`],
      environment: { PEBBLE_VA_NOSLEEP: '1' },
      readyUrl: (line) => /ACME directory available at: (\S+)/.exec(line)?.[1],
    })
    return new Pebble({
      port,
      managementPort,
      ca: authority.cert,
      caPath: at('pebble-ca.pem'),
      servers: [server, dns],
    })
  }

  /** PEM: who vouches for the certificates that it gives out. */
  async root(): Promise<string> {
    // It says that it listens a moment before it does.
    for (;;) {
      try {
        return await this.#root()
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')) throw error
        await delay(50)
      }
    }
  }

  async #root(): Promise<string> {
    const outgoing = request({
      host: 'localhost',
      port: this.#managementPort,
      path: '/roots/0',
      ca: this.#ca,
      agent: false,
    }).end()
    const [incoming] = await once(outgoing, 'response')
    return text(incoming)
  }

  /** How many certificates it has given out. */
  get issued(): number {
    return this.#servers[0]?.output.match(/Issued certificate serial/g)?.length ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.kill()
  }
}

function startNameServer(port: number, managementPort: number): Promise<ServerProcess> {
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '', '-defaultIPv6', '']
  return ServerProcess.start({
    file: requireTool('pebble-challtestsrv'),
    arguments: ['-dnsserver', `127.0.0.1:${port}`, '-management', `127.0.0.1:${managementPort}`, ...off],
    readyUrl: (line) => (/Starting management server/.test(line) ? `dns://127.0.0.1:${port}` : undefined),
  })
}
