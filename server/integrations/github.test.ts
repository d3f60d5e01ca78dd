import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { revokeGrant } from '../oauth/revoke.ts'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import {
  connectAt,
  createDirectIO,
  createTestFetch,
  keyOf,
  oauthOf,
  redirectUri,
  type Connected,
} from './fixtures/acting.ts'
import { Github, type GithubOptions } from './github.ts'

const code = (error: unknown): ErrorCode | undefined => (isAuthFlowError(error) ? error.code : undefined)
const repo = { owner: 'acme', repo: 'website' }

describe('Github', () => {
  const fetch = createTestFetch()
  let sandbox: Sandbox
  let github: Github<'github-customers'>
  let ada: Connected
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [redirectUri] })
    const { client, endpoints } = sandbox.github
    const oauth = { ...client, scopes: ['repo', 'user:email'] }
    github = new Github({
      id: 'github-customers',
      connect: true,
      oauth,
      personalAccessToken: true,
      endpoints,
    })
    github.useFetch(fetch)
    ada = await connectAt(github, sandbox.github, { fetch })
  })
  beforeEach(() => sandbox.github.faults.clear())
  after(async () => {
    await sandbox.close()
    await fetch.close()
  })

  const acting = (io = createDirectIO(), auth = ada.auth) => github.cloneForRun(io, 'github', auth)

  describe('connecting', () => {
    it('knows the user, and reads granted scopes that are separated by commas', () => {
      assert.deepEqual(ada.auth.identity, { id: '1815', label: 'ada' })
      assert.deepEqual(ada.auth.scopes, ['repo', 'user:email'])
      assert.equal(ada.auth.expiresAt, null)
    })

    it('reads answers in form encoding and in JSON, and errors that come with status 200', async () => {
      const { normaliseTokenResponse } = oauthOf(github)
      assert.ok(normaliseTokenResponse)
      const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
      const plain = await normaliseTokenResponse(
        new Response('access_token=gho_1&scope=repo%2Cgist&token_type=bearer', { headers: form }),
      )
      assert.deepEqual(await plain.json(), {
        access_token: 'gho_1',
        scope: 'repo gist',
        token_type: 'bearer',
      })
      const failed = await normaliseTokenResponse(
        new Response('error=bad_verification_code&error_description=x', { headers: form }),
      )
      assert.deepEqual([failed.status, await failed.json()], [400, { error: 'bad_verification_code' }])
      const json = await normaliseTokenResponse(Response.json({ error: 'bad_refresh_token', error_uri: 'x' }))
      assert.deepEqual([json.status, await json.json()], [400, { error: 'bad_refresh_token' }])
    })

    it('removes the app, and takes a token that is gone for removed', async () => {
      const { tokens } = await connectAt(github, sandbox.github, { fetch, person: 'grace' })
      const endpoint = { method: oauthOf(github), fields: {}, fetch }
      await revokeGrant(endpoint, tokens)
      await assert.rejects(
        oauthOf(github).identify(tokens, { fetch, fields: {} }),
        (error) => code(error) === 'credentials_rejected',
      )
      await revokeGrant(endpoint, tokens)
    })

    it('checks a personal access token with GitHub, and says at the field when it is refused', async () => {
      const method = keyOf(github)
      const { errors } = method.fields.parse({ apiKey: 'hunter2' })
      assert.deepEqual(
        errors.map(({ field, reason }) => [field, reason]),
        [['apiKey', 'pattern']],
      )
      assert.deepEqual(method.fields.parse({ apiKey: ` ghp_${'a'.repeat(36)} ` }).errors, [])
      const fields = { apiKey: ada.tokens.accessToken }
      assert.equal((await method.verify({ fetch, fields })).identity.label, 'ada')
      await assert.rejects(method.verify({ fetch, fields: { apiKey: 'ghp_wrong' } }), (error) => {
        return (
          isAuthFlowError(error) &&
          error.code === 'credentials_rejected' &&
          error.details.fields?.[0]?.field === 'apiKey'
        )
      })
    })
  })

  describe('tasks', () => {
    it('comments on an issue through Octokit', async () => {
      const io = createDirectIO()
      const params = { ...repo, issue_number: 1, body: 'Done.' }
      const comment = await acting(io).createIssueComment('comment', params)
      assert.deepEqual([comment.body, comment.user?.login], ['Done.', 'ada'])
      assert.equal(sandbox.github.comments().at(-1)?.body, 'Done.')
      assert.equal(io.tasks[0]?.options?.name, 'Comment on issue')
      assert.deepEqual(io.tasks[0]?.options?.params, params)
      await acting().issues.createComment('again', params)
      assert.equal((await acting().getIssue('issue', { ...repo, issue_number: 1 })).comments, 2)
    })

    it('opens and reads issues and repositories', async () => {
      const own = acting()
      const opened = await own.createIssue('open', { ...repo, title: 'Broken', body: 'Really.' })
      const read = await own.issues.get('read', { ...repo, issue_number: opened.number })
      assert.deepEqual(read, opened)
      assert.deepEqual([read.title, read.body, read.state], ['Broken', 'Really.', 'open'])
      assert.equal((await own.repos.get('repo', repo)).full_name, 'acme/website')
    })

    it('gives the whole of Octokit to tasks of one’s own', async () => {
      const titles = await acting().runTask('list', async (client) => {
        const { data } = await client.rest.issues.listForRepo(repo)
        return data.map((issue) => issue.title)
      })
      assert.equal(titles[0], 'Welcome')
      const repositories = await acting().runTask('repositories', async (client) => {
        const { data } = await client.rest.repos.listForAuthenticatedUser({ per_page: 10 })
        return data.map((repository) => repository.full_name)
      })
      assert.deepEqual(repositories, ['acme/website'])
    })

    it('acts with a personal access token as well', async () => {
      const auth = { ...ada.auth, type: 'apiKey', apiKey: ada.auth.accessToken } as const
      assert.equal(
        (await github.cloneForRun(createDirectIO(), 'github', auth).getRepo('repo', repo)).private,
        true,
      )
    })
  })

  describe('when GitHub refuses', () => {
    const ask = async (own = createDirectIO(), auth = ada.auth, params = repo) => {
      const error: unknown = await acting(own, auth)
        .getRepo('repo', params)
        .then(
          () => assert.fail('answered'),
          (reason: unknown) => reason,
        )
      return {
        error: isAuthFlowError(error) ? error : assert.fail(String(error)),
        verdict: own.tasks[0]?.verdict,
      }
    }

    it('waits until the limit is reset', async () => {
      sandbox.github.faults.next({ rateLimitSeconds: 20 })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, error.details.status], ['rate_limited', 403])
      assert.ok(
        verdict && 'retryAt' in verdict && Math.abs(verdict.retryAt.getTime() - Date.now() - 20_000) < 2000,
      )
    })

    it('waits as long as a secondary limit says', async () => {
      sandbox.github.faults.next({ status: 403, headers: { 'retry-after': '3' } })
      assert.deepEqual((await ask()).error.details.retryAfterMs, 3000)
      sandbox.github.faults.next({ status: 429 })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, verdict], ['rate_limited', undefined])
    })

    it('names the scopes that would do', async () => {
      const headers = { 'x-accepted-oauth-scopes': 'admin:org', 'x-oauth-scopes': 'repo' }
      sandbox.github.faults.next({ status: 403, headers })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, error.details.missingScopes], ['insufficient_scope', ['admin:org']])
      assert.deepEqual(verdict, { skipRetrying: true })
    })

    it('does not retry what is not there, and leaves a dead token to the engine', async () => {
      const hidden = await ask(createDirectIO(), ada.auth, { owner: 'globex', repo: 'reports' })
      assert.deepEqual([hidden.error.details.status, hidden.verdict], [404, { skipRetrying: true }])
      const dead = await ask(createDirectIO(), { ...ada.auth, accessToken: 'gho_planted' })
      assert.deepEqual(
        [dead.error.code, dead.error.details.status, dead.verdict],
        ['provider_rejected', 401, undefined],
      )
      assert.doesNotMatch(`${dead.error.stack}${JSON.stringify(dead.error)}`, /planted/)
    })

    it('tells what is wrong with a request by GitHub’s own code', async () => {
      await assert.rejects(acting().createIssue('empty', { ...repo, title: '' }), (error) => {
        return (
          isAuthFlowError(error) &&
          error.details.status === 422 &&
          error.details.providerCode === 'missing_field'
        )
      })
    })

    it('lets failures, lost answers and garbage be retried, and does not retry by itself', async () => {
      const before = sandbox.github.counts()['GET /api/v3/repos/acme/website'] ?? 0
      sandbox.github.faults.next({ status: 502 })
      assert.deepEqual((await ask()).error.code, 'provider_unavailable')
      sandbox.github.faults.next({ lost: true })
      assert.deepEqual((await ask()).error.code, 'provider_unavailable')
      sandbox.github.faults.next({ garbage: true })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, verdict], ['provider_reply_invalid', undefined])
      assert.equal(sandbox.github.counts()['GET /api/v3/repos/acme/website'], before + 3)
    })
  })
})

describe('new Github()', () => {
  const app = { clientId: 'id', clientSecret: 'secret', scopes: ['repo'] }
  const refusal = (options: GithubOptions): (string | undefined)[] => {
    try {
      new Github(options)
    } catch (error) {
      if (isAuthFlowError(error)) return [error.code, error.details.option, error.details.integration]
    }
    return assert.fail('was accepted')
  }

  it('takes a token of its own, an app, or tokens of customers', () => {
    assert.equal(new Github({ id: 'g', token: 'ghp_1' }).authSource, 'LOCAL')
    const methods = (options: GithubOptions) =>
      new Github(options).connect?.methods.map((method) => method.id)
    assert.deepEqual(methods({ id: 'g', connect: true, oauth: app }), ['oauth2'])
    assert.deepEqual(methods({ id: 'g', connect: true, personalAccessToken: true }), ['apiKey'])
    assert.deepEqual(methods({ id: 'g', connect: true, oauth: app, personalAccessToken: true }), [
      'oauth2',
      'apiKey',
    ])
  })

  it('names what is missing', () => {
    const unset = process.env['AUTHFLOW_TEST_UNSET']
    assert.deepEqual(refusal({ id: 'g', token: unset }), ['missing_option', 'token', 'g'])
    assert.deepEqual(refusal({ id: 'g', connect: true }), ['missing_option', 'oauth', 'g'])
    assert.deepEqual(refusal({ id: 'g', connect: true, oauth: { ...app, clientSecret: unset } }), [
      'missing_option',
      'oauth.clientSecret',
      'g',
    ])
    assert.deepEqual(refusal({ id: 'g', connect: true, oauth: app, token: 'x' }), [
      'invalid_option',
      'token',
      'g',
    ])
  })
})
