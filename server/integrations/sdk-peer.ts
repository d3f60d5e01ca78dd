// Loads a provider's official SDK when it is first needed. The SDKs are optional peers: who uses one integration does not
// install the others'.

import { AuthFlowError } from '../../shared/errors.ts'

/**
 * The module that `load` imports.
 *
 * @param load `() => import('the-package')`, written out so that bundlers see it
 * @throws {@link AuthFlowError} `missing_peer` when the package is not installed; what the package itself throws otherwise
 */
export async function loadPeer<Module>(packageName: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    if (!isNotInstalled(error, packageName)) throw error
    throw new AuthFlowError(
      'missing_peer',
      `The package ${packageName} is not installed. Run: npm install ${packageName}`,
      {
        cause: error,
      },
    )
  }
}

// A package that is there but misses one of its own parts has the same code; only the message tells which is missing.
function isNotInstalled(error: unknown, packageName: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  const missing = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND'
  return missing && error.message.includes(`'${packageName}'`)
}
