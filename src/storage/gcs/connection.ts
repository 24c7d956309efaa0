import { readFile } from 'node:fs/promises'
import { Storage, type StorageOptions } from '@google-cloud/storage'
import { StorageError } from '../../core/errors.ts'

export interface GcsConnectionOptions {
  /** The path of a JSON file with a key, or '' for none. */
  readonly keyfile: string
  /** Such a file's content; empty for none. With neither, the application default credentials are used. */
  readonly credentials: Readonly<Record<string, unknown>>
  /** How the SDK tries again. */
  readonly retryOptions?: StorageOptions['retryOptions']
}

/** Within some seconds: whoever waits for an answer to a request of his own does not wait for minutes. */
const RETRY_OPTIONS = { maxRetries: 4, retryDelayMultiplier: 2, maxRetryDelay: 8, totalTimeout: 60 }

/** The SDK, as configured. It looks for no storage yet.
 *  @throws StorageError with the name of the key that is at fault */
export async function connect(options: GcsConnectionOptions): Promise<Storage> {
  const credentials = await readCredentials(options)
  const storage = new Storage({ retryOptions: { ...RETRY_OPTIONS, ...options.retryOptions } })
  // As the option `credentials` would have it, without the library's warning on standard error that keys are old-fashioned.
  if (credentials !== undefined) storage.authClient.jsonContent = credentials
  if (!/^https?:\/\//.test(storage.baseUrl)) {
    throw refusal(`STORAGE_EMULATOR_HOST: not a URL such as http://localhost:4443: ${storage.baseUrl}`)
  }
  if (!storage.customEndpoint) await requireCredentials(storage, options)
  return storage
}

/** True where a key is at hand, so that a URL can be signed without asking anybody. */
export async function canSign(
  storage: Storage,
  { keyfile, credentials }: GcsConnectionOptions,
): Promise<boolean> {
  // An emulator asks for no credentials, and without them the SDK would go and look for some.
  if (storage.customEndpoint && keyfile === '' && Object.keys(credentials).length === 0) return false
  const client = await storage.authClient.getClient()
  return 'key' in client && typeof client.key === 'string' && client.key !== ''
}

/** The key that is configured, read and checked; undefined where the environment has the credentials.
 *  @throws StorageError with the name of the key that is at fault */
export async function readCredentials({
  keyfile,
  credentials,
}: Pick<GcsConnectionOptions, 'keyfile' | 'credentials'>): Promise<StorageOptions['credentials']> {
  if (keyfile !== '') return requireKey(await readKeyFile(keyfile), `storage.gcs.keyfile: ${keyfile}`)
  return Object.keys(credentials).length === 0
    ? undefined
    : requireKey(credentials, 'storage.gcs.credentials')
}

async function readKeyFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? 'is not JSON' : (cause as Error).message
    throw refusal(`storage.gcs.keyfile: cannot be read: ${path}: ${reason}`, cause)
  }
}

/** A service account's key has to have what is asked for with it; what others need is for the SDK to say. */
function requireKey(found: unknown, where: string): NonNullable<StorageOptions['credentials']> {
  const key: Record<string, unknown> = Object(found)
  const { type = 'service_account', client_email: email, private_key: secret } = key
  if (type !== 'service_account') return key
  if (typeof email !== 'string' || typeof secret !== 'string') {
    throw refusal(`${where}: has no client_email or no private_key`)
  }
  // From a variable, a line's end often comes as two characters.
  return { ...key, private_key: secret.replaceAll('\\n', '\n') }
}

async function requireCredentials(
  storage: Storage,
  { keyfile, credentials }: GcsConnectionOptions,
): Promise<void> {
  try {
    await storage.authClient.getRequestHeaders()
  } catch (cause) {
    const key = keyfile !== '' ? 'keyfile' : Object.keys(credentials).length > 0 ? 'credentials' : ''
    const where = key === '' ? 'storage.gcs, without keyfile and credentials' : `storage.gcs.${key}`
    throw refusal(`${where}: no access: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

function refusal(message: string, cause?: unknown): StorageError {
  return new StorageError('BACKEND_FAILED', { path: '/', message, cause })
}
