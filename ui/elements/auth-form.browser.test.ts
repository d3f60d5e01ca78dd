import { html, render } from 'lit'
import { sendKeys } from '@web/test-runner-commands'
import type { AuthFormElement } from './auth-form.ts'
import {
  choice,
  cleanUp,
  expectAccessible,
  fixture,
  kinds,
  markup,
  need,
  openForm,
  record,
  settled,
  until,
} from '../fixtures/page.ts'
import { equal } from '../fixtures/equal.ts'
import { configureAuthFlow } from '../flow/configure.ts'

const errorOf = (scope: ParentNode, name: string): string =>
  need(scope, `[data-field=${name}] [data-part=error]`).textContent?.trim() ?? ''

describe('auth-form', () => {
  before(() => configureAuthFlow({ endpoint: 'http://localhost:9' }))
  afterEach(cleanUp)

  it('is accessible with every kind of field, before and after a failed submit', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    await expectAccessible(flow)
    form.requestSubmit()
    await settled()
    await expectAccessible(flow)
  })

  it('renders every kind of field with its label, hints and help', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    const labels = [...form.querySelectorAll('label')].map((label) => [
      label.textContent,
      label.control?.getAttribute('name'),
    ])
    equal(labels, [
      ['Workspace', 'workspace'],
      ['Key', 'apiKey'],
      ['Region', 'region'],
      ['Sandbox (optional)', 'sandbox'],
      ['Note (optional)', 'note'],
    ])
    const workspace = need<HTMLInputElement>(form, '[name=workspace]')
    equal(
      ['placeholder', 'inputmode', 'dir', 'spellcheck', 'maxlength'].map((name) =>
        workspace.getAttribute(name),
      ),
      ['acme', 'url', 'ltr', 'false', '255'],
    )
    equal(need(form, '[data-field=workspace] [data-part=prefix]').textContent, 'https://')
    equal(need(form, '[data-field=workspace] [data-part=suffix]').textContent, '.example.com')
    const description = need(form, '[data-field=workspace] [data-part=description]')
    equal(
      [description.textContent, workspace.getAttribute('aria-describedby')],
      ['Of its address.', description.id],
    )
    equal(need(form, '[data-part=help]').getAttribute('href'), 'https://example.com/keys')
    equal(need<HTMLInputElement>(form, '[name=apiKey]').type, 'password')
    equal(need<HTMLInputElement>(form, '[name=sandbox]').type, 'checkbox')
    const options = [...need<HTMLSelectElement>(form, '[name=region]').options].map(({ value, label }) => [
      value,
      label,
    ])
    equal(options, [
      ['', ''],
      ['eu', 'Europe'],
      ['us', 'United States'],
    ])
    equal(
      form.querySelectorAll(
        '[data-field=note] :is([data-part=prefix], [data-part=description], [data-part=help])',
      ).length,
      0,
    )
  })

  it('shows and hides a secret by its button', async () => {
    const form = await openForm(await fixture(markup()), kinds)
    const button = need(form, '[data-part=reveal]')
    const input = need<HTMLInputElement>(form, '[name=apiKey]')
    button.click()
    equal([input.type, button.getAttribute('aria-pressed'), button.textContent], ['text', 'true', 'Show Key'])
    button.click()
    equal([input.type, button.getAttribute('aria-pressed')], ['password', 'false'])
  })

  it('on submit puts errors at their fields and the focus at the first, and sends nothing', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    const seen = record(flow, 'auth-submit')
    form.requestSubmit()
    await settled()
    equal(
      ['workspace', 'apiKey', 'region', 'note'].map((name) => errorOf(form, name)),
      ['Workspace is required.', 'Key is required.', 'Region is required.', ''],
    )
    const workspace = need<HTMLInputElement>(form, '[name=workspace]')
    equal(document.activeElement === workspace, true)
    equal(workspace.getAttribute('aria-invalid'), 'true')
    const ids = workspace.getAttribute('aria-describedby')?.split(' ') ?? []
    equal(
      ids.map((id) => document.getElementById(id)?.textContent),
      ['Of its address.', 'Workspace is required.'],
    )
    equal(need(form, '[data-field=workspace]').hasAttribute('data-invalid'), true)
    equal(seen, [])
  })

  it('judges a field when it is left with a value, and while typing once it is marked', async () => {
    const form = await openForm(await fixture(markup()), kinds)
    const workspace = need<HTMLInputElement>(form, '[name=workspace]')
    const type = (value: string): void => {
      workspace.value = value
      workspace.dispatchEvent(new InputEvent('input', { bubbles: true }))
    }
    workspace.focus()
    type('a1')
    equal(errorOf(form, 'workspace'), '')
    need<HTMLInputElement>(form, '[name=note]').focus()
    equal(errorOf(form, 'workspace'), 'Letters only.')
    type('a')
    equal([errorOf(form, 'workspace'), workspace.hasAttribute('aria-invalid')], ['', false])
    need<HTMLInputElement>(form, '[name=apiKey]').focus()
    need<HTMLInputElement>(form, '[name=note]').focus()
    equal(errorOf(form, 'apiKey'), '')
  })

  it('gives normalised values to auth-submit, which can be prevented', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    let detail: unknown
    flow.addEventListener('auth-submit', (event) => {
      detail = event.detail
      event.preventDefault()
    })
    need<HTMLInputElement>(form, '[name=workspace]').value = ' https://ACME.example.com/admin '
    need<HTMLInputElement>(form, '[name=apiKey]').value = 'good-key'
    need<HTMLSelectElement>(form, '[name=region]').value = 'us'
    need<HTMLInputElement>(form, '[name=sandbox]').checked = true
    form.requestSubmit()
    const values = { workspace: 'acme', apiKey: 'good-key', region: 'us', sandbox: 'true' }
    equal(detail, { method: 'apiKey', values })
    equal(flow.getAttribute('data-state'), 'fields')
  })

  it('puts its classes on the parts and adds no stylesheet', async () => {
    const sheets = document.styleSheets.length
    const flow = await fixture(markup({ form: '' }))
    const element = need(flow, 'auth-form')
    for (const part of ['form', 'field', 'label', 'input', 'description', 'error', 'submit']) {
      element.setAttribute(`${part}-class`, `my-${part} p-1`)
    }
    const form = await openForm(flow, kinds)
    for (const part of ['form', 'field', 'label', 'input', 'description', 'error', 'submit']) {
      equal(flow.querySelectorAll(`[data-part=${part}].my-${part}.p-1`).length > 0, true)
    }
    equal(document.styleSheets.length + document.adoptedStyleSheets.length, sheets)
    equal(need<HTMLElement>(element, '[data-auth-root]').style.display, 'contents')
    equal(form.closest('auth-form') === element, true)
  })

  describe('choice of method', () => {
    it('is a group of radio buttons, none chosen, accessible; submitting asks for a choice', async () => {
      const flow = await fixture(markup())
      const form = await openForm(flow, choice)
      await expectAccessible(flow)
      equal(flow.getAttribute('data-state'), 'choose')
      const radios = [...form.querySelectorAll<HTMLInputElement>('[name=method]')]
      equal(
        radios.map(({ value, checked }) => [value, checked]),
        [
          ['oauth2', false],
          ['apiKey', false],
        ],
      )
      const seen = record(flow, 'auth-submit')
      form.requestSubmit()
      equal([flow.getAttribute('data-state'), seen.length], ['choose', 0])
    })

    it('shows the fields of the chosen one, by the keyboard, and keeps what was typed', async () => {
      const flow = await fixture(markup())
      const form = await openForm(flow, choice)
      const [oauth, key] = form.querySelectorAll<HTMLInputElement>('[name=method]')
      oauth?.focus()
      await sendKeys({ press: 'ArrowDown' })
      equal([key?.checked, flow.getAttribute('data-state')], [true, 'fields'])
      const input = await until(() => form.querySelector<HTMLInputElement>('[name=apiKey]'), 'the field')
      input.value = 'abcd'
      await sendKeys({ press: 'ArrowUp' })
      equal([form.querySelector('[name=apiKey]'), need(form, 'li').textContent], [null, 'Read things'])
      await sendKeys({ press: 'ArrowDown' })
      equal(need<HTMLInputElement>(form, '[name=apiKey]').value, 'abcd')
    })

    it('says before consent what a trigger’s own scopes allow, in words where there are any', async () => {
      const [oauth2, key] = choice.methods
      if (!oauth2 || !key) throw new Error('the description has no two methods')
      const definition = {
        ...choice,
        methods: [{ ...oauth2, scopeLabels: { a: 'Read things', b: 'Change things' } }, key],
      }
      const flow = await fixture(markup())
      flow.insertAdjacentHTML(
        'afterbegin',
        '<auth-trigger scopes="b c"><button type="button">More</button></auth-trigger>',
      )
      const form = await openForm(flow, definition)
      const list = (): (string | null)[] =>
        [...form.querySelectorAll('[data-part=scope]')].map(({ textContent }) => textContent)
      need(form, '[value=oauth2]').click()
      equal([flow.scopes, list()], ['b c', ['Change things', 'c']])
      await expectAccessible(flow)
      need(form, '[value=apiKey]').click()
      equal(list(), [])
      flow.scopes = ''
      need(form, '[value=oauth2]').click()
      equal(list(), ['Read things'])
    })

    it('is not asked where `method` names one', async () => {
      const flow = await fixture(markup({ flow: 'method="apiKey"' }))
      const form = await openForm(flow, choice)
      equal([form.querySelector('[name=method]'), flow.getAttribute('data-state')], [null, 'fields'])
      need(form, '[name=apiKey]')
    })
  })

  describe('markup', () => {
    const ownForm = `<form method="dialog"><fieldset disabled>
      <label>Shop <input name="workspace" aria-describedby="hint"></label> <span id="hint">Yours.</span>
      <span data-error-for="workspace"></span>
      <label>Key <input name="apiKey" type="password" placeholder="mine"></label> <span data-error-for="apiKey"></span>
      <fieldset><legend>Region</legend>
        <label><input type="radio" name="region" value="eu"> Europe</label>
        <label><input type="radio" name="region" value="us"> US</label></fieldset>
      <label><input type="checkbox" name="sandbox"> Sandbox</label>
      <button>Go</button></fieldset></form>`

    it('binds the author’s own form by name and adds no element to it', async () => {
      const flow = await fixture(markup({ form: ownForm }))
      const before = flow.querySelectorAll('auth-form *').length
      const form = await openForm(flow, kinds)
      await until(() => !form.querySelector('fieldset')?.disabled, 'the fieldset to be enabled')
      equal(flow.querySelectorAll('auth-form *').length, before)
      equal(need(form, '[name=apiKey]').getAttribute('placeholder'), 'mine')
      form.requestSubmit()
      equal(need(form, '[data-error-for=workspace]').textContent, 'Workspace is required.')
      const described = need(form, '[name=workspace]').getAttribute('aria-describedby')?.split(' ') ?? []
      equal(
        described.map((id) => document.getElementById(id)?.textContent),
        ['Yours.', 'Workspace is required.'],
      )
      await expectAccessible(flow)
      let values: unknown
      flow.addEventListener('auth-submit', (event) => {
        values = event.detail.values
        event.preventDefault()
      })
      need<HTMLInputElement>(form, '[name=workspace]').value = 'acme'
      need<HTMLInputElement>(form, '[name=apiKey]').value = 'k'
      need<HTMLInputElement>(form, '[value=us]').checked = true
      form.requestSubmit()
      equal(values, { workspace: 'acme', apiKey: 'k', region: 'us', sandbox: 'false' })
    })

    it('clones the author’s templates: by name, by type, for all', async () => {
      const flow = await fixture(
        markup({
          form: `
            <template data-field="workspace"><b>Shop</b><label data-part="label"></label><input data-part="input"><i data-part="error"></i></template>
            <template data-field-type="choice"><label data-part="label"></label><select data-part="input"><option>eu</option></select></template>
            <template data-field="*"><label data-part="label"></label><input data-part="input" class="mine"></template>`,
        }),
      )
      const form = await openForm(flow, kinds)
      equal(need(form, '[data-field=workspace] b').textContent, 'Shop')
      equal(
        need<HTMLLabelElement>(form, '[data-field=workspace] label').control?.getAttribute('name'),
        'workspace',
      )
      equal(need<HTMLSelectElement>(form, '[data-field=region] select').name, 'region')
      equal(need<HTMLInputElement>(form, '[data-field=apiKey] .mine').type, 'password')
      form.requestSubmit()
      equal(need(form, '[data-field=workspace] i').textContent, 'Workspace is required.')
      await expectAccessible(flow)
    })

    it('takes nodes, of any template library, and nothing from renderField', async () => {
      const flow = await fixture(markup())
      const element = need<AuthFormElement>(flow, 'auth-form')
      element.renderField = ({ field, id }) => {
        if (field.name === 'note') return undefined
        if (field.name === 'apiKey') {
          const input = document.createElement('input')
          input.name = field.name
          return input
        }
        const place = document.createElement('div')
        render(
          html`<label for=${id}>${field.schema.title}!</label><input id=${id} name=${field.name} />`,
          place,
        )
        return place
      }
      const form = await openForm(flow, kinds)
      equal(
        need<HTMLLabelElement>(form, '[data-field=workspace] label').control?.getAttribute('name'),
        'workspace',
      )
      equal(need<HTMLInputElement>(form, '[data-field=apiKey] > input').type, 'password')
      need(form, '[data-field=note] [data-part=error]')
    })

    it('sees an own form that comes late', async () => {
      const flow = await fixture(markup())
      flow.definition = kinds
      const late = document.createElement('div')
      late.innerHTML = ownForm
      need(flow, 'auth-form').append(late.firstElementChild ?? '')
      await settled()
      need(flow, 'auth-trigger button').click()
      const fieldset = need<HTMLFieldSetElement>(flow, 'auth-form > form fieldset')
      await until(() => !fieldset.disabled, 'the fieldset to be enabled')
      equal(flow.querySelectorAll('[data-auth-root] form').length, 0)
    })
  })

  describe('inside a host’s form', () => {
    it('is the error nested_form, and renders nothing; `for` is the cure', async () => {
      const flow = await fixture(`<form id="host">${markup()}</form>`)
      const { error } = console
      const told: unknown[] = []
      console.error = (...words: unknown[]) => told.push(words[0])
      let code = ''
      flow.addEventListener('auth-error', (event) => (code = event.detail.code))
      flow.definition = kinds
      await settled()
      need(flow, 'auth-trigger button').click()
      await until(() => code, 'the error')
      console.error = error
      equal([code, flow.querySelectorAll('auth-form form').length], ['nested_form', 0])
      equal(String(told[0]).includes('`for`'), true)
    })

    it('works outside with `for`', async () => {
      const flow =
        await fixture(`<form><auth-flow id="far" integration="kinds" load="none"></auth-flow></form>
        <auth-trigger for="far"><button>Connect</button></auth-trigger><auth-form for="far"></auth-form>`)
      flow.definition = kinds
      await settled()
      need(document, 'auth-trigger button').click()
      await until(() => document.querySelector('auth-form form'), 'the form')
      equal(need(document, 'auth-trigger').getAttribute('data-state'), 'fields')
    })
  })

  it('lets no event of its form out', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    const seen = record(need(document, 'main'), 'submit', 'input', 'change', 'reset', 'formdata')
    const input = need<HTMLInputElement>(form, '[name=apiKey]')
    input.focus()
    await sendKeys({ type: 'secret' })
    input.blur()
    form.requestSubmit()
    form.reset()
    equal(seen, [])
  })
})
