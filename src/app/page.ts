import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { Page } from '../core/page/page.ts'
import { publicPath } from '../http/reply/location.ts'
import { readPage } from '../page/page-files.ts'
import { httpSettings } from './settings.ts'

/** The web page. Undefined, with a warning, if it was not built. */
export async function openPage(config: Config, log: Log): Promise<Page | undefined> {
  const page = await readPage(`${publicPath(httpSettings(config))}/ui/`)
  if (page === undefined) log.warn({ key: 'http.ui' }, 'the web page is not built: run `npm run build`')
  return page
}
