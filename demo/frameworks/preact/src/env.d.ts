/// <reference types="authflow/types/preact" />
/** The connect server's address, put in by serve.mjs. */
declare const __ENDPOINT__: string
