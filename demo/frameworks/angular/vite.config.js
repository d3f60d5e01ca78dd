// Angular compiles the templates in the browser here; its own build does that ahead of time. Vite's transform leaves
// decorators to esbuild, which reads them from tsconfig.json.
import { transform } from 'esbuild'

export default {
  oxc: false,
  plugins: [
    {
      name: 'decorators',
      enforce: 'pre',
      async transform(code, id) {
        if (!id.endsWith('.ts')) return
        const tsconfigRaw = {
          compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false },
        }
        return transform(code, { loader: 'ts', target: 'es2022', sourcemap: true, tsconfigRaw })
      },
    },
  ],
}
