import { RegistryError } from '../../core/errors.ts'
import { errorReply } from '../reply/errors.ts'
import { emptyReply, type WholeReply } from '../reply/reply.ts'
import { operations } from '../routes.ts'
import type { HttpSettings } from '../settings.ts'
import type { Access, Resource } from './route.ts'

/** False for what is switched off, whoever asks. */
export function isEnabled(access: Access, { readOnly, deleteEnabled }: HttpSettings): boolean {
  if (access === 'delete') return deleteEnabled && !readOnly
  return !readOnly || (access !== 'push' && access !== 'tag')
}

function enabledMethods(resource: Resource, settings: HttpSettings): string[] {
  const enabled = Object.entries(operations[resource]).filter(([, { access }]) => isEnabled(access, settings))
  return enabled.map(([method]) => method)
}

/** RFC 9110 section 15.5.6: with what would be served. */
export function refuseMethod(resource: Resource, settings: HttpSettings): WholeReply {
  const message = settings.readOnly ? 'the registry is read-only' : 'this method is not enabled here'
  const refused = errorReply(new RegistryError('UNSUPPORTED', { message }))
  return { ...refused, headers: { ...refused.headers, allow: enabledMethods(resource, settings).join(', ') } }
}

/** The answer to `CONNECT`, which names no resource: nobody is tunneled anywhere. RFC 9110 section 9.3.6. */
export function refuseConnect(): WholeReply {
  const refused = errorReply(new RegistryError('UNSUPPORTED', { message: 'this is no proxy' }))
  return { ...refused, headers: { ...refused.headers, allow: '' } }
}

/** The answer to `OPTIONS`, which browsers send without credentials before they send the request of another site's page.
 *  What such pages may do stands in `http.headers`, which every answer carries. RFC 9110 section 9.3.7;
 *  https://fetch.spec.whatwg.org/#cors-preflight-fetch */
export function preflightReply(resource: Resource, settings: HttpSettings): WholeReply {
  return emptyReply(204, { allow: [...enabledMethods(resource, settings), 'OPTIONS'].join(', ') })
}
