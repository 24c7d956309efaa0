/** The section `storage.azure`, with the keys of both generations, and rejected combinations. */

import * as z from 'zod'
import { choice, duration, filledText, flag, integer, optionalSectionOf, section, text } from './key.ts'

const azureKeys = z.strictObject({
  accountname: text().or(''),
  accountkey: text().or(''),
  container: filledText('the name of a container').required(),
  realm: text().or('core.windows.net'),
  rootdirectory: text().or(''),
  /** The default since Distribution 3: names of blobs have no leading `/`. */
  trimlegacyrootprefix: flag().or(false),
  /** Distribution 2's form: they have one. */
  legacyrootprefix: flag().or(false),
  serviceurl: text().or(''),
  connectionstring: text().or(''),
  copy_status_poll_max_retry: integer().or(5),
  copy_status_poll_delay: duration().or(100),
  credentials: section({
    type: choice('client_secret', 'shared_key', 'default_credentials').optional(),
    clientid: text().or(''),
    tenantid: text().or(''),
    secret: text().or(''),
  }),
  skipverify: flag().or(false),
  max_retries: integer().or(5),
  /** In milliseconds. */
  retry_delay: duration().or(100),
})

type Found = z.output<typeof azureKeys>
type CredentialKey = 'clientid' | 'tenantid' | 'secret'

interface Check {
  readonly path: readonly string[]
  readonly holds: (found: Found) => boolean
  /** The accepted values, or the whole message if it begins with `found`. Contains no secrets. */
  readonly error: string
}

const CREDENTIAL_KEYS: readonly CredentialKey[] = ['clientid', 'tenantid', 'secret']
const CONNECTION_STRING = /(?:^|;)\s*(?:AccountKey=|SharedAccessSignature=|UseDevelopmentStorage=true)/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const checks: readonly Check[] = [
  {
    path: ['accountname'],
    holds: ({ accountname, connectionstring }) => accountname !== '' || connectionstring !== '',
    error: 'the name of the storage account, or a connectionstring that has it',
  },
  {
    path: ['accountname'],
    holds: ({ accountname, connectionstring }) =>
      accountname === '' || [accountname, undefined].includes(accountIn(connectionstring)),
    error: 'the account of connectionstring, or nothing',
  },
  {
    path: ['connectionstring'],
    holds: ({ connectionstring }) => connectionstring === '' || CONNECTION_STRING.test(connectionstring),
    error:
      'found text without a key or a signature; accepted: the connection string as the portal shows it, such as DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net',
  },
  {
    path: ['connectionstring'],
    holds: ({ connectionstring, accountkey, serviceurl, credentials }) =>
      connectionstring === '' || (accountkey === '' && serviceurl === '' && credentials.type === undefined),
    error:
      'found beside accountkey, serviceurl or credentials.type, which it would override; accepted: without them',
  },
  {
    path: ['accountkey'],
    holds: ({ accountkey }) => BASE64.test(accountkey),
    error: 'found text that is not base64; accepted: the account key as the portal shows it',
  },
  {
    path: ['accountkey'],
    holds: (found) => found.credentials.type !== 'shared_key' || found.accountkey !== '',
    error: 'the account key, as credentials.type is shared_key',
  },
  {
    path: ['accountkey'],
    holds: (found) => !usesToken(found) || found.accountkey === '',
    error:
      'found beside credentials.type, which does not use it; accepted: with shared_key, or without credentials.type',
  },
  {
    path: ['credentials', 'type'],
    holds: ({ credentials, accountkey, connectionstring }) =>
      credentials.type !== undefined || accountkey !== '' || connectionstring !== '',
    error:
      'client_secret or default_credentials, or shared_key with an accountkey, unless there is a connectionstring',
  },
  ...CREDENTIAL_KEYS.flatMap((key) => [
    {
      path: ['credentials', key],
      holds: ({ credentials }: Found) => credentials.type !== 'client_secret' || credentials[key] !== '',
      error: `the application's ${key}, as credentials.type is client_secret`,
    },
    {
      path: ['credentials', key],
      holds: ({ credentials }: Found) => credentials.type === 'client_secret' || credentials[key] === '',
      error: 'found without credentials.type client_secret; accepted: with client_secret',
    },
  ]),
  {
    path: ['serviceurl'],
    holds: ({ serviceurl }) => serviceurl === '' || /^https?:$/.test(URL.parse(serviceurl)?.protocol ?? ''),
    error: 'a URL such as https://account.blob.core.windows.net',
  },
  {
    path: ['serviceurl'],
    holds: (found) => !usesToken(found) || !found.serviceurl.startsWith('http:'),
    error: 'an https URL, because tokens must be encrypted',
  },
  {
    path: ['legacyrootprefix'],
    holds: ({ legacyrootprefix, trimlegacyrootprefix }) => !legacyrootprefix || !trimlegacyrootprefix,
    error: 'found beside trimlegacyrootprefix, its opposite; accepted: one of them',
  },
]

function usesToken({ credentials }: Found): boolean {
  return credentials.type === 'client_secret' || credentials.type === 'default_credentials'
}

function accountIn(connectionString: string): string | undefined {
  return /(?:^|;)\s*AccountName=([^;]*)/.exec(connectionString)?.[1]
}

export const azure = optionalSectionOf(
  checks.reduce(
    (schema, { path, holds, error }) => schema.refine((found) => holds(found), { path: [...path], error }),
    azureKeys,
  ),
)
