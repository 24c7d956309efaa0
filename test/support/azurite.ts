/** Azurite, Microsoft's emulator of Azure Blob Storage, on a free port and in memory. */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import type { KeyPair } from './authority.ts'
import { ServerProcess } from './server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

/** Where `install-azurite.ts` puts it. */
const installed = join(import.meta.dirname, '../../.cache/azurite/')

function program(): string {
  try {
    return createRequire(installed).resolve('azurite/dist/src/blob/main.js')
  } catch (cause) {
    throw new Error('Azurite is not installed: npm run azurite', { cause })
  }
}

/** The emulator's one account; its key is public (learn.microsoft.com, "Use the Azurite emulator"). */
export const AZURITE_ACCOUNT = 'devstoreaccount1'
export const AZURITE_KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export interface AzuriteOptions {
  /** Speaks TLS with this certificate, and takes tokens as well as keys. */
  readonly tls?: KeyPair
}

export class Azurite implements AsyncDisposable {
  readonly #server: ServerProcess
  readonly #folder: TemporaryFolder

  private constructor(server: ServerProcess, folder: TemporaryFolder) {
    this.#server = server
    this.#folder = folder
  }

  static async start({ tls }: AzuriteOptions = {}): Promise<Azurite> {
    const folder = await temporaryFolder()
    const server = await ServerProcess.start({
      file: process.execPath,
      arguments: [
        program(),
        ...['--blobHost', '127.0.0.1', '--blobPort', '0'],
        // The SDK speaks newer versions of the protocol than the emulator knows.
        ...['--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
        ...(tls === undefined ? [] : await tlsOptions(tls, folder.path)),
      ],
      readyUrl: (line) => /successfully listens on (\S+)/.exec(line)?.[1],
    })
    return new Azurite(server, folder)
  }

  /** Where the account is: `http://127.0.0.1:10000/devstoreaccount1`. */
  get serviceUrl(): string {
    return `${this.#server.url}/${AZURITE_ACCOUNT}`
  }

  get connectionString(): string {
    return `DefaultEndpointsProtocol=${new URL(this.serviceUrl).protocol.slice(0, -1)};AccountName=${AZURITE_ACCOUNT};AccountKey=${AZURITE_KEY};BlobEndpoint=${this.serviceUrl};`
  }

  /** An empty container, with all the rights of the account. What stands in the others makes the emulator slow. */
  async container(): Promise<ContainerClient> {
    const service = BlobServiceClient.fromConnectionString(this.connectionString)
    const { containerClient } = await service.createContainer(`test-${randomUUID()}`)
    return containerClient
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    await this.#folder.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

async function tlsOptions({ cert, key }: KeyPair, folder: string): Promise<string[]> {
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  await Promise.all([writeFile(files.cert, cert), writeFile(files.key, key)])
  return ['--cert', files.cert, '--key', files.key, '--oauth', 'basic']
}
