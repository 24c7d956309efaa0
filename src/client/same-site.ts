/** Second levels below a country's domain under which anybody can have a name, such as `co.uk`. */
const SHARED_SECOND_LEVELS = new Set(
  'ac co com edu go gob gouv gov gv ind info ltd me mil muni ne net nom or org plc pro sch web'.split(' '),
)

/** Domains that give out names to their customers. */
const SHARED_DOMAINS = new Set(
  'amazonaws.com azurecr.io azurewebsites.net cloudfront.net github.io gitlab.io herokuapp.com windows.net pkg.dev run.app'.split(
    ' ',
  ),
)

/** True if a registry at `host` may send clients to a token server at `other`: the same host, one above it,
 *  or one that shares a domain which belongs to one owner. Both without a port. */
export function isSameSite(host: string, other: string): boolean {
  const [a, b] = [host.toLowerCase(), other.toLowerCase()]
  if (a === b) return true
  if (isAddress(a) || isAddress(b)) return false
  if (a.endsWith(`.${b}`)) return isOwned(b)
  const parent = a.slice(a.indexOf('.') + 1)
  return a.includes('.') && isOwned(parent) && (b === parent || b.endsWith(`.${parent}`))
}

/** False for a domain under which strangers have names. */
function isOwned(domain: string): boolean {
  const labels = domain.split('.')
  if (labels.length < 2 || SHARED_DOMAINS.has(domain)) return false
  const [second = '', top = ''] = labels.slice(-2)
  return labels.length > 2 || top.length !== 2 || !SHARED_SECOND_LEVELS.has(second)
}

function isAddress(host: string): boolean {
  return host.startsWith('[') || /^[\d.]+$/.test(host)
}
