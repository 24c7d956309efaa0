import type { TokenCredential } from '@azure/identity'
import {
  type AnonymousCredential,
  BlobServiceClient,
  type ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { agentFor } from './agent.ts'
import { Attempts } from './appending/attempts.ts'
import { tokenCredential } from './credentials.ts'
import type { AzureSettings } from './settings.ts'

/** A container and the credentials for it. */
export interface AzureConnection {
  readonly service: BlobServiceClient
  readonly container: ContainerClient
  /** The same container without retries: conditional requests are retried by `attempts`. */
  readonly once: ContainerClient
  readonly attempts: Attempts
  /** Options for requests with other credentials, with a limit of attempts. */
  readonly pipelineOptions: (maxTries: number) => StoragePipelineOptions
  readonly credential: AzureCredential
  /** The account's name, which the service's address need not contain. */
  readonly accountName: string
  close(): void
}

/** Anonymous if the service's address has a signature (a connection string with one). */
export type AzureCredential = StorageSharedKeyCredential | TokenCredential | AnonymousCredential

/** Creates a source of tokens, if the settings ask for one. */
export type TokenSource = (settings: AzureSettings) => Promise<TokenCredential>

/** Creates the client. Sends no request. */
export async function connect(
  settings: AzureSettings,
  tokens: TokenSource = tokenCredential,
): Promise<AzureConnection> {
  const { url, credential } = await endpointOf(settings, tokens)
  const agent = agentFor(url, settings)
  const serviceThat = (maxTries: number) =>
    new BlobServiceClient(url, newPipeline(credential, pipelineOptions(settings, { agent, maxTries })))
  const service = serviceThat(settings.max_retries + 1)
  return {
    service,
    container: service.getContainerClient(settings.container),
    once: serviceThat(1).getContainerClient(settings.container),
    attempts: new Attempts(settings),
    pipelineOptions: (maxTries) => pipelineOptions(settings, { agent, maxTries }),
    credential,
    accountName: settings.accountname || service.accountName,
    close: () => agent.destroy(),
  }
}

interface Endpoint {
  readonly url: string
  readonly credential: AzureCredential
}

async function endpointOf(settings: AzureSettings, tokens: TokenSource): Promise<Endpoint> {
  const { connectionstring, accountname, accountkey, realm, serviceurl } = settings
  if (connectionstring !== '') return BlobServiceClient.fromConnectionString(connectionstring)
  const credential =
    accountkey === '' ? await tokens(settings) : new StorageSharedKeyCredential(accountname, accountkey)
  return { url: serviceurl || `https://${accountname}.blob.${realm}`, credential }
}

/** The agent is an option of the SDK's core that is missing in the type. */
function pipelineOptions(
  { retry_delay }: AzureSettings,
  { agent, maxTries }: { agent: ReturnType<typeof agentFor>; maxTries: number },
): StoragePipelineOptions {
  const options: StoragePipelineOptions & { agent: typeof agent } = {
    agent,
    retryOptions: { maxTries, retryDelayInMs: retry_delay },
    userAgentOptions: { userAgentPrefix: 'entrepot' },
  }
  return options
}
