// What every store must do, as tests: the same cases for every adapter. `sqlite.test.ts` and `mongo.test.ts` run them
// and add what only they can have. The cases lie in the contract-*.ts files, by subject.

import { describe } from 'node:test'
import { documentCases } from './contract-documents.ts'
import type { OpenBackend } from './contract-fixtures.ts'
import { leaseCases } from './contract-leases.ts'
import { lifeCases } from './contract-life.ts'
import { pagingCases } from './contract-paging.ts'
import { processCases } from './contract-processes.ts'
import { transactCases } from './contract-transact.ts'

/** Declares the contract's tests. `openBackend` gives each test a place of its own. */
export function storeContract(name: string, openBackend: OpenBackend): void {
  describe(`Store contract: ${name}`, () => {
    documentCases(openBackend)
    transactCases(openBackend)
    pagingCases(openBackend)
    leaseCases(openBackend)
    lifeCases(openBackend)
    processCases(openBackend)
  })
}
