import { RawConnection } from './raw-connection.ts'

/** Fulfilled when nobody takes connections there any more: a server has begun to stop.
 *  @param url like `http://127.0.0.1:5000` */
export async function untilRefused(url: string): Promise<void> {
  for (;;) {
    try {
      const connection = await RawConnection.open(Number(new URL(url).port))
      connection[Symbol.dispose]()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ECONNREFUSED') return
      if (code !== 'ECONNRESET') throw error // one that was accepted just before
    }
  }
}
