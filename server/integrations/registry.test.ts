import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { Github } from './github.ts'
import { createRegistry } from './registry.ts'
import { loadPeer } from './sdk-peer.ts'

describe('createRegistry', () => {
  const one = new Github({ id: 'github-one', token: 'ghp_1' })
  const other = new Github({ id: 'github-other', token: 'ghp_2' })

  it('finds integrations by id and keeps their order', () => {
    const registry = createRegistry([other, one])
    assert.equal(registry.get('github-one'), one)
    assert.deepEqual(registry.all, [other, one])
    assert.equal(registry.find('constructor'), undefined)
  })

  it('names an id that is unknown', () => {
    assert.throws(
      () => createRegistry([one]).get('github-three'),
      (error) =>
        isAuthFlowError(error) &&
        error.code === 'unknown_integration' &&
        error.details.integration === 'github-three',
    )
  })

  it('refuses one id twice', () => {
    assert.throws(
      () => createRegistry([one, other, new Github({ id: 'github-one', token: 'ghp_3' })]),
      (error) =>
        isAuthFlowError(error) &&
        error.code === 'duplicate_integration' &&
        error.details.integration === 'github-one',
    )
  })
})

describe('loadPeer', () => {
  // A name that is not a literal keeps the compiler from looking for the package.
  const name = ['authflow', 'not', 'installed'].join('-')

  it('says what to install', async () => {
    await assert.rejects(
      loadPeer(name, () => import(name)),
      (error) =>
        isAuthFlowError(error) &&
        error.code === 'missing_peer' &&
        error.message.includes(`npm install ${name}`),
    )
  })

  it('passes on what a package that is there fails with', async () => {
    const broken = new Error('broken')
    await assert.rejects(
      loadPeer('broken', () => Promise.reject(broken)),
      (error) => error === broken,
    )
    // Another package that is missing inside is not the one to install.
    await assert.rejects(
      loadPeer('other-package', () => import(name)),
      (error) => !isAuthFlowError(error),
    )
  })
})
