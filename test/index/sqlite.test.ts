import { describeCatalogIndex } from '../contract/catalog-index/catalog-index.ts'
import { sqlite } from '../support/catalog-index.ts'

describeCatalogIndex('SQLite', sqlite)
