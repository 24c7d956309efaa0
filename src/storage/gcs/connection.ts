import { readFile } from 'node:fs/promises'
import { Storage, type StorageOptions } from '@google-cloud/storage'
import { StorageError } from '../../core/errors.ts'

export interface GcsConnectionOptions {
  /** The path of a JSON key file; '' for none. */
  readonly keyfile: string
  /** The content of such a file; empty for none. With neither, the application default credentials are
   *  used. */
  readonly credentials: Readonly<Record<string, unknown>>
  /** The SDK's retry settings. */
  readonly retryOptions?: StorageOptions['retryOptions']
}

/** Within seconds, because clients don't wait for minutes. */
const RETRY_OPTIONS = { maxRetries: 4, retryDelayMultiplier: 2, maxRetryDelay: 8, totalTimeout: 60 }

/** The configured SDK. Sends no request.
 *  @throws StorageError that names the invalid key of the configuration */
export async function connect(options: GcsConnectionOptions): Promise<Storage> {
  const credentials = await readCredentials(options)
  const storage = new Storage({ retryOptions: { ...RETRY_OPTIONS, ...options.retryOptions } })
  // Set as the option `credentials` would do, without the library's deprecation warning on standard error.
  if (credentials !== undefined) storage.authClient.jsonContent = credentials
  if (!/^https?:\/\//.test(storage.baseUrl)) {
    throw refusal(`STORAGE_EMULATOR_HOST: not a URL such as http://localhost:4443: ${storage.baseUrl}`)
  }
  if (!storage.customEndpoint) await requireCredentials(storage, options)
  return storage
}

/** True if a key is available, so that URLs can be signed without a request. */
export async function canSign(
  storage: Storage,
  { keyfile, credentials }: GcsConnectionOptions,
): Promise<boolean> {
  // An emulator needs no credentials, and the SDK would search for some.
  if (storage.customEndpoint && keyfile === '' && Object.keys(credentials).length === 0) return false
  const client = await storage.authClient.getClient()
  return 'key' in client && typeof client.key === 'string' && client.key !== ''
}

/** The configured key, validated. Undefined if the environment has the credentials.
 *  @throws StorageError that names the invalid key of the configuration */
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

/** Validates a service account's key; other kinds are left to the SDK. */
function requireKey(found: unknown, where: string): NonNullable<StorageOptions['credentials']> {
  const key: Record<string, unknown> = Object(found)
  const { type = 'service_account', client_email: email, private_key: secret } = key
  if (type !== 'service_account') return key
  if (typeof email !== 'string' || typeof secret !== 'string') {
    throw refusal(`${where}: has no client_email or no private_key`)
  }
  // In environment variables, line ends are often written as two characters.
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
