import { jsonReply, type WholeReply } from '../../reply/reply.ts'

/** An answer that depends on the client and on the moment. */
export function freshReply(value: unknown, status = 200): WholeReply {
  return jsonReply(status, value, { 'cache-control': 'no-store' })
}
