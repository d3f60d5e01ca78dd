// How the custom-elements manifest and the data of editors are made: `npm run elements`. The types of frameworks are made of
// the manifest by scripts/framework-types.ts.

import { cemValidatorPlugin } from '@wc-toolkit/cem-validator'
import { customElementJetBrainsPlugin } from 'custom-element-jet-brains-integration'
import { customElementVsCodePlugin } from 'custom-element-vs-code-integration'

const outdir = 'ui/types'

/** Members that parts and flows share among themselves. */
const internal = new Set([
  'properties',
  'texts',
  'emit',
  'link',
  'parts',
  'mark',
  'findPart',
  'repaint',
  'asks',
  'touched',
  'intend',
  'control',
  'flowElement',
])

/** Keeps what users may rely on, and points at what the package holds. */
const publicOnly = {
  name: 'public-only',
  packageLinkPhase({ customElementsManifest }) {
    const modules = customElementsManifest.modules.filter(({ declarations }) =>
      declarations?.some(({ tagName }) => tagName),
    )
    for (const module of modules) {
      module.path = module.path.replace(/^ui\/(.*)\.ts$/, 'dist/ui/$1.js')
      module.declarations = module.declarations.filter(({ tagName }) => tagName)
      module.exports = module.exports?.filter(({ kind }) => kind === 'js')
      for (const entry of module.exports ?? []) entry.declaration.module = module.path
      for (const declaration of module.declarations) {
        declaration.members = declaration.members?.filter(
          ({ name, privacy, inheritedFrom }) =>
            (privacy === undefined || privacy === 'public') &&
            !internal.has(name) &&
            !(name === 'flow' && inheritedFrom) &&
            !(name === 'refresh' && inheritedFrom),
        )
        declaration.events = declaration.events?.filter(({ name }) => name?.startsWith('auth-'))
        for (const part of [declaration, ...(declaration.members ?? []), ...(declaration.events ?? [])]) {
          delete part.inheritedFrom
        }
        delete declaration.superclass
      }
    }
    customElementsManifest.modules = modules
  },
}

export default {
  globs: ['ui/elements/auth-*.ts'],
  exclude: ['**/*.test.ts'],
  outdir,
  packagejson: false,
  plugins: [
    publicOnly,
    customElementVsCodePlugin({ outdir, cssFileName: null }),
    customElementJetBrainsPlugin({ outdir, packageJson: false }),
    cemValidatorPlugin({
      packageJsonPath: 'package.json',
      cemFileName: 'dist/ui/types/custom-elements.json',
      // Types are exported by `authflow/ui`, tags are defined by `authflow/define`, not by the classes' modules.
      rules: {
        packageJson: { publishedCem: 'off' },
        manifest: { exportTypes: 'off', definitionPath: 'off', typeDefinitionPath: 'off' },
      },
    }),
  ],
}
