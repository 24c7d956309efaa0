import { type AuditLog, unrequested } from '../../core/access/audit-log.ts'
import type {
  Deletion,
  RepositoryHistory,
  Restoration,
  RestoreOptions,
} from '../../core/lifecycle/history.ts'
import type { RepositoryName } from '../../core/reference.ts'

/** Gives deletions and restorations by commands the lines that those by requests have. */
export function auditedHistory(history: RepositoryHistory, audit: AuditLog): RepositoryHistory {
  const recorded = async <Result>(
    { action, repository }: { action: string; repository: RepositoryName },
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const entry = { ...unrequested(action), repository }
    try {
      const result = await work()
      audit.record(entry)
      return result
    } catch (error) {
      audit.record({ ...entry, outcome: 'failed' })
      throw error
    }
  }
  return {
    recordedSince: () => history.recordedSince(),
    changes: (repository, page) => history.changes(repository, page),
    deletions: (repository, page) => history.deletions(repository, page),
    restore: (repository: RepositoryName, id: string, options: RestoreOptions): Promise<Restoration> =>
      recorded({ action: 'restore', repository }, () => history.restore(repository, id, options)),
    deleteRepository: (repository: RepositoryName): Promise<Deletion> =>
      recorded({ action: 'delete', repository }, () => history.deleteRepository(repository)),
  }
}
