/** Probes of load balancers and Kubernetes, without authentication. Only a 200 counts as success. */
import { RegistryError } from '../../core/errors.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import { namesHtml } from '../request/accept.ts'
import type { RequestContext } from '../request-context.ts'
import { redirectToPage } from './page.ts'

/** 200 if no health check fails. Browsers, which ask for HTML by name, are sent to the web page. */
export function getRoot(context: RequestContext): Reply {
  if (context.health.failures.size > 0) throw unhealthy()
  if (context.page !== undefined && namesHtml(context.request.headers.accept)) return redirectToPage(context)
  return yes()
}

/** 200 while the process answers. */
export function getLiveness(): Reply {
  return yes()
}

/** 200 once storage has answered. */
export function getStartup({ health }: RequestContext): Reply {
  if (!health.hasStarted) throw notReady('storage has not answered yet')
  return yes()
}

/** 200 if requests may be sent here. Optional parts, such as Redis, do not count. A registry that is stopping
 *  accepts no connections. */
export function getReadiness({ health }: RequestContext): Reply {
  if (!health.hasStarted) throw notReady('storage has not answered yet')
  if (health.failures.size > 0) throw unhealthy()
  return yes()
}

/** Distribution's message. */
export function unhealthy(): RegistryError {
  return notReady('health check failed: please see /debug/health')
}

function notReady(detail: string): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'service unavailable', detail })
}

function yes(): Reply {
  return emptyReply(200, { 'cache-control': 'no-cache' })
}
