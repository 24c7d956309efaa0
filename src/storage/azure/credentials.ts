import type { TokenCredential } from '@azure/identity'
import type { AzureSettings } from './settings.ts'

/** Token authorities of other clouds than the public one. */
const AUTHORITY_HOSTS: Readonly<Record<string, string>> = {
  'core.chinacloudapi.cn': 'https://login.chinacloudapi.cn',
  'core.usgovcloudapi.net': 'https://login.microsoftonline.us',
}

/** Tokens of Microsoft Entra ID: of an application with a secret, or of the process's environment (a managed
 *  identity, a workload identity, the variables `AZURE_*`). */
export async function tokenCredential({ realm, credentials }: AzureSettings): Promise<TokenCredential> {
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity')
  const authorityHost = AUTHORITY_HOSTS[realm]
  const options = authorityHost === undefined ? {} : { authorityHost }
  if (credentials.type !== 'client_secret') return new DefaultAzureCredential(options)
  return new ClientSecretCredential(credentials.tenantid, credentials.clientid, credentials.secret, options)
}
