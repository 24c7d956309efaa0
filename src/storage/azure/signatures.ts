import {
  BlobSASPermissions,
  type BlobSASSignatureValues,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'
import type { Log } from '../../core/log.ts'
import { REDIRECT_LIFETIME_MS } from '../../core/storage-driver.ts'
import type { AzureConnection, AzureCredential } from './client.ts'
import { azureError } from './errors.ts'

/** For differences between clocks. */
const EARLIER_MILLISECONDS = 60_000
/** The service issues keys for up to seven days. */
const KEY_LIFETIME_MILLISECONDS = 24 * 3_600_000
/** A key is replaced this long before its end, so that its signatures never outlive it. */
const KEY_RENEWAL_MILLISECONDS = 3_600_000
/** Pause after the service has refused a key. */
const REFUSAL_MILLISECONDS = 5 * 60_000

/** Signs URLs that allow reading for twenty minutes, or deleting for a shorter time ("Create a service SAS",
 *  "Create a user delegation SAS"). With an account key it needs no request; with a token it requests a key
 *  once a day. */
export class Signatures {
  readonly #connection: AzureConnection
  readonly #log: Log
  #key: { readonly value: Promise<UserDelegationKey | undefined>; readonly renewAt: number } | undefined

  constructor(connection: AzureConnection, log: Log) {
    this.#connection = connection
    this.#log = log
  }

  /** A URL for reading. Undefined if there is no key.
   *  @throws StorageError */
  readUrl(blobName: string): Promise<URL | undefined> {
    const now = Date.now()
    return this.#url(blobName, {
      permissions: 'r',
      startsOn: new Date(now - EARLIER_MILLISECONDS),
      expiresOn: new Date(now + REDIRECT_LIFETIME_MS),
    })
  }

  /** A URL for deleting until `expiresOn`. Undefined if there is no key.
   *  @throws StorageError */
  deleteUrl(blobName: string, expiresOn: Date): Promise<URL | undefined> {
    return this.#url(blobName, { permissions: 'd', expiresOn })
  }

  async #url(blobName: string, right: SignedRight): Promise<URL | undefined> {
    const { container, credential } = this.#connection
    const values = this.#valuesFor(blobName, right)
    const parameters =
      credential instanceof StorageSharedKeyCredential
        ? generateBlobSASQueryParameters(values, credential)
        : await this.#delegated(values)
    return parameters && new URL(`${container.getBlobClient(blobName).url}?${parameters}`)
  }

  #valuesFor(blobName: string, { permissions, ...times }: SignedRight): BlobSASSignatureValues {
    const { container } = this.#connection
    return {
      containerName: container.containerName,
      blobName,
      permissions: BlobSASPermissions.parse(permissions),
      ...times,
      protocol: container.url.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
    }
  }

  async #delegated(values: BlobSASSignatureValues) {
    const { accountName, credential } = this.#connection
    if (!isToken(credential)) return undefined
    const key = await this.#delegationKey()
    return key && generateBlobSASQueryParameters(values, key, accountName)
  }

  /** One request for all concurrent callers. */
  #delegationKey(): Promise<UserDelegationKey | undefined> {
    const now = Date.now()
    if (this.#key === undefined || now >= this.#key.renewAt) {
      const value = this.#askForKey(now)
      this.#key = { value, renewAt: now + KEY_LIFETIME_MILLISECONDS - KEY_RENEWAL_MILLISECONDS }
    }
    return this.#key.value
  }

  async #askForKey(now: number): Promise<UserDelegationKey | undefined> {
    const startsOn = new Date(now - EARLIER_MILLISECONDS)
    const expiresOn = new Date(now + KEY_LIFETIME_MILLISECONDS)
    try {
      return await this.#connection.service.getUserDelegationKey(startsOn, expiresOn)
    } catch (cause) {
      const error = azureError(cause, '/')
      this.#key = undefined
      if (error.code === 'BUSY') throw error
      // Without the role for it, the registry serves content itself.
      this.#log.warn(
        { err: cause },
        'Azure issues no key for signing redirects: the registry sends content itself',
      )
      this.#key = { value: Promise.resolve(undefined), renewAt: now + REFUSAL_MILLISECONDS }
      return undefined
    }
  }
}

interface SignedRight {
  readonly permissions: 'r' | 'd'
  readonly startsOn?: Date
  readonly expiresOn: Date
}

export function isToken(
  credential: AzureCredential,
): credential is Extract<AzureCredential, { getToken: unknown }> {
  return 'getToken' in credential
}
