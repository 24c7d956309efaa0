/** What is configured of Azure Blob Storage, in the words of Distribution's `storage.azure` section. Durations are
 *  milliseconds; what is not given is empty. */
export interface AzureSettings {
  readonly accountname: string
  readonly accountkey: string
  readonly container: string
  /** What the account's name and `blob.` stand before, in the address of its service. */
  readonly realm: string
  /** The address of the service, where it is not `https://<accountname>.blob.<realm>`. */
  readonly serviceurl: string
  readonly connectionstring: string
  readonly credentials: AzureCredentials
  readonly rootdirectory: string
  /** True for a container of Distribution 2, whose blobs have a `/` in front of their names. */
  readonly legacyrootprefix: boolean
  /** How often a request is sent again, and how long to wait before the first time. */
  readonly max_retries: number
  readonly retry_delay: number
  /** How often a copy that makes no progress is looked at before it is given up, and how long to wait in between. */
  readonly copy_status_poll_max_retry: number
  readonly copy_status_poll_delay: number
  /** True where the service's certificate is not checked. */
  readonly skipverify: boolean
}

export interface AzureCredentials {
  readonly type?: 'client_secret' | 'shared_key' | 'default_credentials' | undefined
  readonly clientid: string
  readonly tenantid: string
  readonly secret: string
}
