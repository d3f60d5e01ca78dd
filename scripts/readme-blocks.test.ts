import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { moduleScripts, readBlocks, readmeModules } from './readme-blocks.ts'

const fence = '```'

describe('readBlocks', () => {
  it('gives language, name, text and line of each block', () => {
    const markdown = `# Title\n${fence}ts server.ts\nconst a = 1\n${fence}\ntext\n${fence}sh\nnpm test\n${fence}\n${fence}\nplain\n${fence}\n`
    assert.deepEqual(readBlocks(markdown), [
      { language: 'ts', name: 'server.ts', text: 'const a = 1\n', line: 2 },
      { language: 'sh', name: undefined, text: 'npm test\n', line: 6 },
      { language: '', name: undefined, text: 'plain\n', line: 9 },
    ])
  })

  it('refuses a block that is not closed', () => {
    assert.throws(() => readBlocks(`${fence}ts a.ts\n`), /line 1/)
  })
})

describe('moduleScripts', () => {
  it('gives the module scripts and no others', () => {
    const html = `<p></p><script type="module">import 'a'</script><script>b()</script>`
    assert.deepEqual(moduleScripts(html), [`import 'a'`])
  })
})

describe('readmeModules', () => {
  const block = { language: 'ts', name: 'a.ts', text: 'const a = 1\n', line: 1 }

  it('joins blocks of one name and adds the scripts of pages', () => {
    const page = { language: 'html', name: undefined, text: '<script type="module">b()</script>', line: 7 }
    const modules = readmeModules([block, page, { ...block, text: 'const b = 2\n' }])
    assert.deepEqual(
      [...modules],
      [
        ['a.ts', 'const a = 1\nconst b = 2\n'],
        ['page-7-0.ts', 'b()'],
      ],
    )
  })

  it('wants a name for each module', () => {
    assert.throws(() => readmeModules([{ ...block, name: undefined }]), /README\.md:1/)
  })
})
