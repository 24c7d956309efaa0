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

/** The way to a container, and by what right. */
export interface AzureConnection {
  readonly service: BlobServiceClient
  readonly container: ContainerClient
  /** The same, but that no request is sent again by itself: for what is sent on a condition, by `attempts`. */
  readonly once: ContainerClient
  readonly attempts: Attempts
  /** For requests by another right, of which each is sent so many times at most. */
  readonly pipelineOptions: (maxTries: number) => StoragePipelineOptions
  readonly credential: AzureCredential
  /** The service's address need not have it. */
  readonly accountName: string
  close(): void
}

/** Anonymous is who has a signature in the service's address (a connection string with one). */
export type AzureCredential = StorageSharedKeyCredential | TokenCredential | AnonymousCredential

/** Who gives out tokens, where the settings ask for them. */
export type TokenSource = (settings: AzureSettings) => Promise<TokenCredential>

/** Nothing is asked of the service yet. */
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

/** The agent is an option of the SDK's core that its type here does not show. */
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
