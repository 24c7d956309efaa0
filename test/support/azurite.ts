/** Azurite, Microsoft's emulator of Azure Blob Storage, on a free port and in memory. */
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import { ServerProcess } from './server-process.ts'

const program = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js')

/** The emulator's one account; its key is public (learn.microsoft.com, "Use the Azurite emulator"). */
export const AZURITE_ACCOUNT = 'devstoreaccount1'
export const AZURITE_KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export class Azurite implements AsyncDisposable {
  readonly #server: ServerProcess

  private constructor(server: ServerProcess) {
    this.#server = server
  }

  static async start(): Promise<Azurite> {
    const server = await ServerProcess.start({
      file: process.execPath,
      arguments: [
        program,
        ...['--blobHost', '127.0.0.1', '--blobPort', '0'],
        // The SDK speaks newer versions of the protocol than the emulator knows.
        ...['--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
      ],
      readyUrl: (line) => /successfully listens on (\S+)/.exec(line)?.[1],
    })
    return new Azurite(server)
  }

  /** Where the account is: `http://127.0.0.1:10000/devstoreaccount1`. */
  get serviceUrl(): string {
    return `${this.#server.url}/${AZURITE_ACCOUNT}`
  }

  get connectionString(): string {
    return `DefaultEndpointsProtocol=http;AccountName=${AZURITE_ACCOUNT};AccountKey=${AZURITE_KEY};BlobEndpoint=${this.serviceUrl};`
  }

  /** An empty container, with all the rights of the account. What stands in the others makes the emulator slow. */
  async container(): Promise<ContainerClient> {
    const service = BlobServiceClient.fromConnectionString(this.connectionString)
    const { containerClient } = await service.createContainer(`test-${randomUUID()}`)
    return containerClient
  }

  stop(): Promise<unknown> {
    return this.#server.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.kill()
  }
}
