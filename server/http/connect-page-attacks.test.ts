// Whoever should not get to a connect page: A2 for people without a front end of the host.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { randomText } from '../../shared/ids.ts'
import type { PageFacts, PageVisit, TokenRecord } from '../connect/records.ts'
import { connectSets, tokenSet } from '../connect/sets.ts'
import { openStore } from '../store/open-store.ts'
import { Jar } from './fixtures/connect-pages.ts'
import { expectCode, startPageServer } from './fixtures/page-server.ts'
import { callPublic } from './fixtures/test-server.ts'

const pages = await startPageServer()
const { server, request, create, open, confirm, enter, askToken } = pages
after(() => pages.close())

describe('a connect page and whoever should not get there (A2)', () => {
  let refused = 0
  after(() =>
    printFigure({
      requirement: 'A2',
      name: 'ways to the page of another, refused',
      value: `${refused} of 9`,
    }),
  )

  it('a victim who opens the link of an attacker: the host confirms another account', async () => {
    const visit = await open(new Jar(), await create({ accountId: 'mallory' }))
    await assert.rejects(confirm(visit, 'victim'), { code: 'account_mismatch' })
    refused += 1
  })

  it('a victim who is sent where the attacker’s own confirmation leads', async () => {
    const [attacker, victim] = [new Jar(), new Jar()]
    const ticket = await confirm(await open(attacker, await create({ accountId: 'mallory' })), 'mallory')
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    assert.equal(victim.cookies.size, 0)
    refused += 1
  })

  it('the same victim, whose browser opened the attacker’s link before', async () => {
    const [attacker, victim] = [new Jar(), new Jar()]
    const link = await create({ accountId: 'mallory' })
    await open(victim, link)
    const ticket = await confirm(await open(attacker, link), 'mallory')
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    refused += 1
  })

  it('a thief of a victim’s link who leads the victim to the confirmation', async () => {
    const [thief, victim] = [new Jar(), new Jar()]
    const ticket = await confirm(await open(thief, await create({ accountId: 'victim' })), 'victim')
    // The host sends the victim's browser on, which has no cookie; the thief's has one and no ticket.
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    const page = ticket.slice(0, ticket.indexOf('/enter'))
    await expectCode(await thief.visit(page), 403, 'browser_mismatch')
    await expectCode(await thief.visit(`${page}/enter?ticket=${randomText(43)}`), 404, 'link_invalid')
    assert.equal((await askToken(thief, page)).status, 403)
    refused += 1
  })

  it('a link that was forwarded: it does not open for the other, and still does for the one', async () => {
    const link = await create()
    await assert.rejects(confirm(await open(new Jar(), link), 'colleague'), { code: 'account_mismatch' })
    const jar = new Jar()
    assert.equal((await jar.visit(await confirm(await open(jar, link)))).status, 303)
    refused += 1
  })

  it('a link that was used: one browser gets in, once', async () => {
    const link = await create()
    const [first, second] = [new Jar(), new Jar()]
    const [one, two] = [await open(first, link), await open(second, link)]
    const answers = await Promise.allSettled([one, two, one, two].map((visit) => confirm(visit)))
    const tickets = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    assert.equal(tickets.length, 1)
    for (const answer of answers)
      if (answer.status === 'rejected') assert.equal(answer.reason.code, 'link_used')
    const [ticket = ''] = tickets
    const entered = (await Promise.all([first, first, second].map((jar) => jar.visit(ticket)))).map(
      ({ status }) => status,
    )
    assert.ok(entered.filter((status) => status === 303).length <= 1)
    await expectCode(await new Jar().visit(link), 410, 'link_used')
    refused += 1
  })

  it('what is over: the link, the way back from the host, the page', async () => {
    const store = await openStore(server.storeUrl)
    await store.migrate(connectSets, 'test')
    const change = async (id: string, set: (page: PageFacts) => Partial<TokenRecord>): Promise<void> => {
      const record = await store.get(tokenSet, id)
      assert.ok(record?.page)
      await store.update(tokenSet, id, {}, { set: set(record.page) })
    }
    const visited = ({ visit, ...page }: PageFacts, set: Partial<PageVisit>): Partial<TokenRecord> => {
      assert.ok(visit)
      return { page: { ...page, visit: { ...visit, ...set } } }
    }
    try {
      const link = await create()
      const jar = new Jar()
      const visit = await open(jar, link)
      const [id = ''] = visit.split('.')
      await change(id, () => ({ expiresAt: 1 }))
      await expectCode(await jar.visit(link), 410, 'link_expired')
      await assert.rejects(confirm(visit), { code: 'link_expired' })

      const late = new Jar()
      const lateVisit = await open(late, await create())
      const [lateId = ''] = lateVisit.split('.')
      const ticket = await confirm(lateVisit)
      await change(lateId, (page) => visited(page, { enterBy: 1 }))
      await expectCode(await late.visit(ticket), 410, 'confirmation_expired')

      const old = new Jar()
      const page = await enter(old)
      const oldId = page.slice(page.lastIndexOf('/') + 1)
      await change(oldId, (facts) => visited(facts, { endsAt: 1 }))
      await expectCode(await old.visit(page), 410, 'link_expired')
      assert.equal((await askToken(old, page)).status, 410)
    } finally {
      await store.close()
    }
    refused += 1
  })

  it('what was revoked: the link, and the page that it opened', async () => {
    const accountId = 'left'
    const [jar, waiting] = [new Jar(), new Jar()]
    const page = await enter(jar, { accountId })
    const link = await create({ accountId })
    const visit = await open(waiting, link)
    await server.client.connectTokens.revoke({ accountId })
    await expectCode(await waiting.visit(link), 404, 'link_invalid')
    await assert.rejects(confirm(visit, accountId), { code: 'link_invalid' })
    await expectCode(await jar.visit(page), 404, 'link_invalid')
    assert.equal((await askToken(jar, page)).status, 404)
    refused += 1
  })

  it('what is made up', async () => {
    const [one, other] = [randomText(43), randomText(43)]
    for (const visit of ['', '.', one, `${one}.${other}`, `${one}.${other}.${one}`, `__proto__.${one}`])
      await assert.rejects(confirm(visit), { code: 'link_invalid' })
    await expectCode(await fetch(`${server.url}/connect/open/ctk_pg_${one}`), 404, 'link_invalid')
    await expectCode(await fetch(`${server.url}/connect/open/ctk_ct_${one}`), 404, 'link_invalid')
    await expectCode(await fetch(`${server.url}/connect/page/${one}`), 403, 'browser_mismatch')
    const jar = new Jar()
    jar.cookies.set(`authflow-page-${one}`, other)
    await expectCode(await jar.visit(`${server.url}/connect/page/${one}`), 404, 'link_invalid')
    // A link of the other kind and a connect token open no page, and the link of a page is no connect token.
    const { url } = await server.client.connectLinks.create({
      accountId: 'ada',
      integration: 'slack-customers',
      returnUrl: request.returnUrl,
    })
    const link = url.slice(url.lastIndexOf('/') + 1)
    await expectCode(await fetch(`${server.url}/connect/open/${link}`), 404, 'link_invalid')
    const page = await create()
    const token = page.slice(page.lastIndexOf('/') + 1)
    await expectCode(await fetch(`${server.url}/connect/link/${token}`), 404, 'link_invalid')
    const input = { flowId: randomText(22), integration: 'slack-customers' }
    assert.equal((await callPublic(server, 'flows.begin', { token, input })).code, 'token_invalid')
    refused += 1
  })
})
