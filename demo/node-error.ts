/** True when the value is an error of Node's with the given code, such as `ENOENT`. */
export function isNodeError(value: unknown, code: string): boolean {
  return value instanceof Error && 'code' in value && value.code === code
}
