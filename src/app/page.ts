import type { Config } from '../config/schema.ts'
import type { Page } from '../core/page/page.ts'
import { publicPath } from '../http/reply/location.ts'
import { readPage } from '../page/page-files.ts'
import { httpSettings } from './settings.ts'

/** The web page, at the path that clients see. */
export function openPage(config: Config): Promise<Page> {
  return readPage(`${publicPath(httpSettings(config))}/ui/`)
}
