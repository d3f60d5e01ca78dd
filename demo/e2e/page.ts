// What the end-to-end tests do on the demo's pages, in words.

import type { BrowserContext, Locator, Page } from 'playwright-core'

/** A service's card on one of the demo's pages. */
export const card = (page: Page, service: string): Locator => page.locator(`[data-service=${service}]`)

/** The flow in a service's card, or the only one of a service on the page. */
export const flowOf = (page: Page, service: string): Locator =>
  page.locator(`auth-flow[integration=${service}-customers]`)

/** Opens a page and fails later if the page says anything on its console that it should not. */
export async function openPage(
  context: BrowserContext,
  url: string,
): Promise<{ page: Page; problems: string[] }> {
  const page = await context.newPage()
  const problems: string[] = []
  page.on('console', (message) => {
    // The browser reports every refused request by itself; what was refused is asserted where it matters.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(url)
  return { page, problems }
}

/** Clicks what opens the provider's window, and gives the window once the consent page is there. */
export async function openConsent(page: Page, button: Locator): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent('popup'), button.click()])
  await popup.getByTestId('sandbox-consent').waitFor()
  return popup
}

/** Consents as a person; the window closes by itself. */
export async function allowAs(popup: Page, person: string): Promise<void> {
  const closed = popup.waitForEvent('close')
  await popup.getByTestId(`sandbox-person-${person}`).check()
  await popup.getByTestId('sandbox-allow').click()
  await closed
}

/** Connects a service that needs nothing but consent. */
export async function connect(page: Page, service: string, person: string): Promise<void> {
  const popup = await openConsent(page, flowOf(page, service).locator('auth-trigger button'))
  await allowAs(popup, person)
  if (service === 'slack') await chooseChannel(page, '#general')
  await waitForConnection(page, service, 'active')
}

/** Answers what Slack's flow asks after consent. */
export async function chooseChannel(page: Page, label: string): Promise<void> {
  const flow = flowOf(page, 'slack')
  await flow.locator('select[name=channel]').selectOption({ label })
  await flow.locator('auth-form [type=submit]').click()
}

/** Waits until a flow shows its connection in the given state. */
export async function waitForConnection(page: Page, service: string, state: string): Promise<void> {
  await page.locator(`auth-flow[integration=${service}-customers][data-connection=${state}]`).waitFor()
}

/** Ends a connection by the page's own button. */
export async function disconnect(page: Page, service: string): Promise<void> {
  await flowOf(page, service).locator('[data-auth-action=disconnect]').click()
  await waitForConnection(page, service, 'none')
}
