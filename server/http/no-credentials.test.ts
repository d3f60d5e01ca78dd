// C3: no answer of the public router holds a credential. The types are walked in connect-router.test-d.ts; here real
// answers are searched for real secrets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { connectRouter } from './connect-router.ts'
import { enterConnectPage, Jar } from './fixtures/connect-pages.ts'
import {
  callPublic,
  connectSlack,
  dig,
  pageOrigin,
  postStart,
  prepareFlow,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

/** Member names of credentials, at any depth. A form's field has a flag `secret`. */
const credentialNames =
  /^(access|refresh|id)_?token$|^api_?key$|^(password|username|secrets|verifier|token_?hash|client_?(id|secret))$/i

describe('C3: answers to pages', () => {
  const metadata = { note: `metadata-${randomText(22)}` }
  let server: TestServer
  let secrets: string[]
  /** Procedure to everything that it answered, with its headers. */
  const answers = new Map<string, string>()

  const call = async (path: string, token: string, input?: unknown): Promise<unknown> => {
    for (const way of [path, `${path}?other`]) {
      const answer = await callPublic(server, way, { token, input })
      const text = JSON.stringify([answer.body, ...answer.headers])
      answers.set(path, (answers.get(path) ?? '') + text)
      assertNames(answer.body)
    }
    return dig((await callPublic(server, path, { token, input })).body, 'result', 'data')
  }

  before(async () => {
    // The script of the pages is no answer with anything in it: any file will do.
    const connectPages = { origins: [pageOrigin], script: new URL(import.meta.url) }
    server = await startTestServer({ options: { connectPages } })
    const [personal = ''] = Object.values(server.sandbox.airtable.personalAccessTokens)
    const { cookie, callback, answer } = await connectSlack(server)
    answers.set('callback page', await answer.text())
    const airtable = { integration: 'airtable-customers', accountId: 'ada' }
    const { token, flowId } = await beginKey('airtable-customers')
    await call('flows.submit', token, {
      flowId,
      version: 1,
      method: 'apiKey',
      values: { apiKey: personal },
    })
    await server.client.connections.setMetadata({ ...airtable, metadata })
    await server.client.connections.setMetadata({ ...airtable, integration: 'slack-customers', metadata })
    const slackAuth = await server.client.getAuth({ id: 'slack-customers', accountId: 'ada' })
    const airtableAuth = await server.client.getAuth({ id: 'airtable-customers', accountId: 'ada' })
    assert(airtableAuth.type === 'apiKey' && airtableAuth.apiKey === personal)
    const { slack, airtable: airtableService } = server.sandbox
    secrets = [
      slackAuth.accessToken,
      slackAuth.tokenHash,
      airtableAuth.apiKey,
      airtableAuth.tokenHash,
      slack.client.clientId,
      slack.client.clientSecret,
      airtableService.client.clientId,
      airtableService.client.clientSecret,
      new URL(callback).searchParams.get('code') ?? '',
      cookie.split('=')[1] ?? '',
      metadata.note,
      ...Object.values(secretKeys),
    ]
    assert(secrets.every((secret) => secret.length >= 8))
  })
  after(() => server.close())

  const beginKey = async (integration: string) => {
    const token = await server.token('create', { integrations: [integration] })
    const flowId = randomText(22)
    await call('flows.begin', token, { flowId, integration })
    return { token, flowId }
  }

  it('hold none, from any procedure, on either way', async () => {
    const manage = await server.token('manage')
    const reconnect = await server.token('reconnect')
    const runs = await server.token('runs')
    const flowId = randomText(22)
    await call('integrations.describe', manage, { integration: 'slack-customers' })
    await call('integrations.describe', manage, { integration: 'airtable-customers' })
    await call('flows.begin', reconnect, { flowId, integration: 'airtable-customers' })
    const [personal = ''] = Object.values(server.sandbox.airtable.personalAccessTokens)
    // A value that the provider refuses must not come back with the complaint about it.
    const wrong = `${personal.slice(0, 17)}${'0'.repeat(64)}`
    await call('flows.submit', reconnect, { flowId, version: 1, method: 'apiKey', values: { apiKey: wrong } })
    await call('flows.watch', reconnect, { flows: [{ id: flowId, version: 0 }], waitMs: 0 })
    await call('flows.options', reconnect, { flowId, field: 'channel' })
    await call('flows.cancel', reconnect, { flowId })
    const listed = await call('connections.list', manage)
    assert(Array.isArray(listed) && listed.length === 2)
    await call('runs.list', runs, {})
    await call('runs.get', runs, { id: 'no-such-run' })
    await call('runs.statuses', runs, { id: 'no-such-run' })
    await call('connectTokens.create', manage, {
      accountId: 'ada',
      integrations: ['slack-customers'],
      origins: [pageOrigin],
    })
    await call('connections.disconnect', manage, { integration: 'airtable-customers' })
    assert.deepEqual(
      Object.keys(connectRouter._def.procedures).filter((path) => !answers.has(path)),
      [],
      'every procedure was called',
    )
    for (const [path, text] of answers) {
      for (const secret of [...secrets, wrong]) assert(!text.includes(secret), `${path} holds a secret`)
    }
  })

  it('hold none on the pages of the start', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'grace')
    const started = await postStart(server, { token, flow: flowId, mode: 'popup' })
    const html = await started.text()
    // The start page sends the browser to the provider, whose address has the client id.
    for (const secret of secrets.filter((one) => one !== server.sandbox.slack.client.clientId)) {
      assert(!html.includes(secret))
    }
    assert(!html.includes(token))
  })

  it('hold none on connect pages and beside the tokens that these get', async () => {
    const jar = new Jar()
    const { link, ticket, page } = await enterConnectPage(server, jar, {
      accountId: 'ada',
      integrations: ['slack-customers', 'airtable-customers'],
      purposes: ['create', 'reconnect', 'manage'],
      confirmUrl: `${pageOrigin}/connect`,
      returnUrl: `${pageOrigin}/done`,
      metadata,
    })
    const ofTheWay = [
      link.slice(-43),
      new URL(ticket).searchParams.get('ticket') ?? '',
      ...jar.cookies.values(),
    ]
    assert(ofTheWay.length === 3 && ofTheWay.every((secret) => secret.length === 43))
    const shown = await (await jar.visit(page)).text()
    assert.match(shown, /Slack/)
    const texts = [shown]
    const headers = { 'content-type': 'application/json', origin: new URL(server.url).origin }
    for (const purpose of ['create', 'reconnect', 'manage']) {
      const body = JSON.stringify({ integration: 'slack-customers', purpose })
      const answer = await jar.visit(`${page}/token`, { method: 'POST', headers, body })
      const given: unknown = await answer.json()
      assert.equal(answer.status, 200, purpose)
      assert.deepEqual(Object.keys(Object(given)).toSorted(), ['expiresAt', 'token'])
      texts.push(JSON.stringify([given, ...answer.headers]))
    }
    for (const text of texts) for (const secret of [...secrets, ...ofTheWay]) assert(!text.includes(secret))
  })
})

function assertNames(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    // `values` and `errors` are by the names of fields; what they hold is searched for secrets above.
    assert(!credentialNames.test(name), `a member ${name}`)
    assertNames(inner)
  }
}
