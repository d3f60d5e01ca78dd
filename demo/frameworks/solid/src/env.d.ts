/// <reference types="authflow/types/solid" />
/** The connect server's address, put in by serve.mjs. */
declare const __ENDPOINT__: string
