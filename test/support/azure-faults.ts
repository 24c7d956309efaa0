/** What goes on between a driver and Azure: which request is which, and how the service refuses. */
import { AzureDriver } from '../../src/storage/azure.ts'
import { azureSettings } from './azure-driver.ts'
import { AZURITE_ACCOUNT } from './azurite.ts'
import type { ChooseFault, Fault, FaultyProxy, StoreRequest } from './faulty-proxy.ts'
import { quiet } from './http-registry.ts'

/** A driver over a container, whose requests go through the proxy; names of blobs are paths without the first `/`. */
export function openBehind(
  proxy: FaultyProxy,
  { containerName }: { containerName: string },
): Promise<AzureDriver> {
  const serviceurl = `${proxy.endpoint}/${AZURITE_ACCOUNT}`
  return AzureDriver.open(azureSettings({ container: containerName, serviceurl, rootdirectory: '' }), {
    log: quiet,
  })
}

export const isAppend = ({ query }: StoreRequest) => query.get('comp') === 'appendblock'
export const isMetadata = ({ method, query }: StoreRequest) =>
  method === 'PUT' && query.get('comp') === 'metadata'
export const isDownload = ({ method, query }: StoreRequest) => method === 'GET' && !query.has('comp')
export const isDelete = ({ method }: StoreRequest) => method === 'DELETE'
export const isPut = ({ method, headers }: StoreRequest) =>
  method === 'PUT' && headers['x-ms-blob-type'] === 'BlockBlob'
export const isCopy = ({ headers }: StoreRequest) => headers['x-ms-copy-source'] !== undefined
/** The service makes it while the caller waits, and of block blobs alone. */
export const isCopyAtOnce = (asked: StoreRequest) =>
  isCopy(asked) && asked.headers['x-ms-requires-sync'] === 'true'
export const isLookAt = (name: string) => (asked: StoreRequest) =>
  asked.method === 'HEAD' && asked.path.endsWith(`/${name}`)

export function refusal(status: number, code: string): Fault {
  return {
    kind: 'answer',
    status,
    headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
  }
}

/** What the service says of a blob that is copied to. */
export function copyStatus(
  status: string,
  {
    progress = '0/7',
    id = 'copy',
    headers = {},
  }: { progress?: string; id?: string; headers?: Readonly<Record<string, string>> } = {},
): Fault {
  const all = {
    'x-ms-copy-id': id,
    'x-ms-copy-status': status,
    'x-ms-copy-progress': progress,
    'content-length': '0',
    etag: '"0x1"',
    ...headers,
  }
  return { kind: 'answer', status: 200, headers: all }
}

export function when(of: (asked: StoreRequest) => boolean, fault: Fault): ChooseFault {
  return (asked) => (of(asked) ? fault : undefined)
}

/** The methods that were asked for, each with what it was about. */
export function askedOf({ requests }: FaultyProxy): string[] {
  return requests.map(({ method, query }) => [method, query.get('comp')].filter(Boolean).join(' '))
}
