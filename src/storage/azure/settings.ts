/** The settings of Azure Blob Storage, with the keys of Distribution's `storage.azure`. Durations are
 *  milliseconds; unset texts are empty. */
export interface AzureSettings {
  readonly accountname: string
  readonly accountkey: string
  readonly container: string
  /** The domain of the service's address, after the account's name and `blob.`. */
  readonly realm: string
  /** The address of the service, if it is not `https://<accountname>.blob.<realm>`. */
  readonly serviceurl: string
  readonly connectionstring: string
  readonly credentials: AzureCredentials
  readonly rootdirectory: string
  /** True for containers of Distribution 2, whose blobs have names with a leading `/`. */
  readonly legacyrootprefix: boolean
  /** Number of retries of a request, and the delay before the first one. */
  readonly max_retries: number
  readonly retry_delay: number
  /** Number of checks of a copy without progress before it is aborted, and the delay between them. */
  readonly copy_status_poll_max_retry: number
  readonly copy_status_poll_delay: number
  /** True if the service's certificate is not verified. */
  readonly skipverify: boolean
}

export interface AzureCredentials {
  readonly type?: 'client_secret' | 'shared_key' | 'default_credentials' | undefined
  readonly clientid: string
  readonly tenantid: string
  readonly secret: string
}
