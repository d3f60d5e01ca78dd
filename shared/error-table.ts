// Every error of the library. docs/errors.md is held equal to this table by a test. Codes are stable and never reused;
// texts may change, so branch on the code.

interface ErrorRow {
  /** HTTP status the server answers with. */
  readonly status: number
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable: boolean
  /** True when message and details may be shown to a client; else it reads `internal` outside the process. */
  readonly exposed: boolean
  /** What happened, and what to do about it, in a sentence or two. */
  readonly help: string
}

const row = (
  status: number,
  help: string,
  options: { retryable?: boolean; hidden?: boolean } = {},
): ErrorRow => ({
  status,
  help,
  retryable: options.retryable ?? false,
  exposed: !(options.hidden ?? false),
})

const retry = { retryable: true }

/** Every error code of the library with its HTTP status, whether to retry, whether it is shown, and what to do. */
export const errorTable = {
  // Calls
  invalid_input: row(400, 'A value has the wrong shape. The message names the field and what was expected.'),
  malformed_json: row(400, 'The request body is not valid JSON. Send one JSON object.'),
  unauthenticated: row(401, 'No token or key was sent. Send `Authorization: Bearer …`.'),
  forbidden: row(403, 'The caller may not do this.'),
  not_found: row(404, 'There is nothing at this address or under this id.'),
  method_not_allowed: row(405, 'The address exists but takes another HTTP method.'),
  conflict: row(409, 'The record was changed meanwhile. Read it again and repeat.', retry),
  payload_too_large: row(413, 'The body exceeds the limit named in the message. Send less.'),
  rate_limited: row(
    429,
    'Too many requests. Wait as long as `Retry-After`, or `retryAfterMs` of the details, says.',
    retry,
  ),
  body_consumed: row(
    500,
    'A body parser of the host ran before authflow. Mount authflow first, or exclude its path from the parser.',
  ),
  nothing_to_choose: row(
    409,
    'The account has nothing there yet that could be chosen. Create it at the provider, or let the app see it, then try again.',
    retry,
  ),
  not_supported: row(501, 'This is not supported here. The message says what is.'),
  closed: row(503, 'The server is shutting down. Try again.', retry),
  internal: row(500, 'Something went wrong inside authflow. The server log has the cause.', { hidden: true }),

  // Configuration, thrown by constructors and start()
  missing_option: row(500, 'An option or environment variable is missing. The message names it.'),
  invalid_option: row(
    500,
    'An option has a value that cannot work. The message names it and what was expected.',
  ),
  missing_peer: row(500, 'An optional package is not installed. Run the `npm install` of the message.'),
  invalid_base_url: row(
    500,
    '`baseUrl` must be an absolute https URL; http is accepted for loopback hosts only.',
  ),
  duplicate_integration: row(500, 'Two integrations share one id. Give each its own.'),
  port_in_use: row(
    500,
    'Another process listens on the port of the message. Stop it, or choose another port.',
  ),
  missing_encryption_key: row(
    500,
    'No encryption key is configured. Set `encryptionKeys` to `kid:base64` of 32 random bytes.',
  ),
  invalid_encryption_key: row(500, 'An encryption key is not `kid:base64` of exactly 32 bytes.'),
  wrong_encryption_key: row(
    500,
    'The store was written with another encryption key. Add that key to `encryptionKeys`.',
  ),
  key_not_rolled_out: row(
    409,
    'A running process does not have the encryption key that writes. Add it second everywhere before it is put first.',
  ),
  key_in_use: row(
    409,
    'The encryption key is still in use. The message says by what. Run `authflow keys rotate` and try again.',
  ),
  key_service_unavailable: row(
    503,
    'The service that unwraps the encryption keys cannot be reached. Start again later.',
    retry,
  ),
  key_service_refused: row(
    500,
    'The service that unwraps the encryption keys refused. The message has its reason; check its permissions and key.',
  ),
  rotation_running: row(409, 'Another process is rotating the encryption keys. Wait for it to end.', retry),
  environment_mismatch: row(
    500,
    'The store belongs to another environment. Use its own store for each environment.',
  ),
  insecure_endpoint: row(
    500,
    'A provider endpoint is loopback or plain http while `baseUrl` is public. Use https.',
  ),

  // Store and vault
  store_busy: row(503, 'The store did not accept a write in time. Try again.', retry),
  store_unavailable: row(
    503,
    'The store cannot be reached. Check that the database runs and the URL is right.',
    retry,
  ),
  store_read_only: row(503, 'The database file cannot be written. Check its permissions and the disk.'),
  store_corrupt: row(500, 'The database file is damaged or is no database. Restore it from a backup.', {
    hidden: true,
  }),
  schema_newer: row(500, 'The store was migrated by a newer authflow. Update this process.'),
  document_too_large: row(413, 'A record exceeds what the store takes.'),
  unreadable_ciphertext: row(
    500,
    'A stored secret cannot be decrypted: wrong key, or the record was altered or moved.',
    { hidden: true },
  ),

  // Tokens and keys
  token_invalid: row(401, 'The connect token is unknown or malformed. Mint a new one on your backend.'),
  token_expired: row(401, 'The connect token has expired. Mint a new one on your backend.'),
  token_spent: row(401, 'The connect token was used for its one connection. Mint a new one on your backend.'),
  token_revoked: row(401, 'The connect token was ended by your backend. Mint a new one there.'),
  origin_missing: row(403, 'The request has no Origin header. Browsers send it; call this from a page.'),
  origin_mismatch: row(
    403,
    'The page’s origin is not among the `origins` that the connect token was minted for.',
  ),
  origin_opaque: row(
    403,
    'The page sent `Origin: null`. Sandboxed frames and file: pages cannot connect; serve the page over https and check its referrer policy.',
  ),
  account_mismatch: row(
    403,
    'The `account-id` in the page is not the account that the connect token was minted for.',
  ),
  integration_not_allowed: row(403, 'The connect token was not minted for this integration.'),
  purpose_not_allowed: row(
    403,
    'The connect token was minted for another purpose. Mint one with the purpose of the message.',
  ),
  key_invalid: row(401, 'The secret key is unknown. Check `secretKeys` of the server and the key you send.'),
  scope_missing: row(403, 'The secret key lacks the scope named in the message.'),
  secret_key_in_browser: row(
    403,
    'The server API was called from a browser. Secret keys belong on a backend only.',
  ),
  development_only: row(403, 'Development mode mints tokens for loopback callers only.'),

  // Flows
  unknown_integration: row(
    404,
    'No integration has this id. Check the `integration` attribute and the server’s list.',
  ),
  flow_not_found: row(
    404,
    'There is no such flow, or it belongs to another account, or it is over. Start again.',
  ),
  flow_ended: row(409, 'The flow is already over. Start a new one.'),
  flow_conflict: row(409, 'The flow moved on meanwhile. Read it again.', retry),
  flow_expired: row(410, 'The flow took longer than 30 minutes. Start again.'),
  device_code_expired: row(410, 'The code was not typed at the provider in time. Start again for a new one.'),
  already_connected: row(409, 'The account is connected already. Reconnect or disconnect instead.'),
  invalid_fields: row(422, 'Some fields are not valid. The details name each field and what was expected.'),
  credentials_rejected: row(422, 'The provider does not accept these credentials. Check them and try again.'),
  scopes_not_allowed: row(403, 'More scopes were asked for than the connect token allows.'),
  return_url_not_allowed: row(403, 'The return URL is not among the `returnUrls` of the connect token.'),
  state_invalid: row(
    400,
    'The answer from the provider does not belong to a flow that is waiting for one. Start again.',
  ),
  browser_mismatch: row(403, 'The flow was started in another browser. Start again in this one.'),
  callback_mismatch: row(400, 'The answer came to the callback of another integration. Start again.'),
  issuer_mismatch: row(400, 'The answer names another authorization server than the one asked.'),
  callback_unverified: row(400, 'The provider’s signature of the callback is not valid. Start again.'),
  access_denied: row(403, 'Access was not granted at the provider. Start again to try once more.'),
  link_invalid: row(404, 'There is no such link. Ask for a new one.'),
  link_expired: row(410, 'The link has expired. Ask for a new one.'),
  link_used: row(410, 'The link was used before; it is good for one try. Ask for a new one.'),
  confirmation_expired: row(
    410,
    'The flow was not confirmed within 60 seconds after the user came back. Make a new link.',
  ),
  provider_error: row(502, 'The provider answered with an error. The message has its code.'),

  // Talking to providers
  token_exchange_failed: row(502, 'The provider refused to exchange the code. Start again.'),
  provider_unavailable: row(503, 'The provider cannot be reached or is failing. Try again later.', retry),
  provider_reply_invalid: row(502, 'The provider’s answer cannot be understood.'),
  provider_rejected: row(502, 'The provider refused the request. The details have its status.'),
  client_misconfigured: row(
    502,
    'The provider does not accept the client id or secret. Check the integration’s `oauth` options.',
  ),
  blocked_host: row(403, 'The address is not allowed as a target of outgoing requests.'),

  // Connections
  not_connected: row(409, 'The account has no connection to this integration. Send the user through a flow.'),
  needs_reauth: row(
    409,
    'The connection no longer works. Send the user through a flow with purpose `reconnect`.',
  ),
  insufficient_scope: row(
    403,
    'The connection lacks a scope. Send the user through a flow that asks for it.',
  ),
  identity_changed: row(409, 'Another account at the provider was chosen than the one connected before.'),
  refresh_failed: row(503, 'The access token could not be refreshed just now. Try again.', retry),

  // Jobs
  duplicate_job: row(500, 'Two jobs share one id and version. Give each its own.'),
  invalid_version: row(500, 'A job version is not three numbers such as 1.0.0.'),
  unknown_job: row(404, 'No job has this id.'),
  duplicate_limit: row(
    500,
    'Two concurrency limits share one id. Give each its own, or use one object in both jobs.',
  ),
  duplicate_trigger: row(500, 'Two dynamic triggers share one id. Give each its own.'),
  unknown_trigger: row(404, 'No dynamic trigger has this id. Make it before the server starts.'),
  signature_invalid: row(401, 'The signature of the request is missing, wrong or too old.'),
  invalid_payload: row(400, 'The event’s payload does not match the schema of a job that it starts.'),
  event_conflict: row(409, 'An event with this id and another payload was sent before.'),
  event_too_large: row(413, 'An event payload may have 256 KB.'),
  output_too_large: row(
    413,
    'A task output may have 1 MB. Store large data elsewhere and return a reference.',
  ),
  value_too_large: row(
    413,
    'A value in `io.store` may have 256 KB. Keep large data elsewhere and store a reference.',
  ),
  run_too_large: row(413, 'The state of a run may have 32 MB.'),
  too_many_tasks: row(409, 'A run may have 10,000 tasks.'),
  unresolved_auth: row(
    500,
    'The auth resolver of an integration gave no credentials. The message says why. Mend it, then resume the run.',
  ),
  duplicate_task_key: row(409, 'Two tasks of one run share a key. Give each its own.'),
  replay_mismatch: row(
    409,
    'On replay a task has another kind or parameters than before. Change the job’s version.',
  ),
  task_interrupted: row(500, 'The process stopped while the task ran, and the task may not run twice.'),
  task_timeout: row(504, 'The task did not end in time.'),
  task_failed: row(500, 'A task failed for good. The cause has its error.'),
  run_failed: row(500, 'The job’s code threw an error. The message has what it said.'),
  run_timed_out: row(504, 'The run did not end within the `timeoutInMs` of its job.'),
  crash_loop: row(
    500,
    'The process died three times while it ran this run and nothing else. The run was set aside.',
  ),
  run_cancelled: row(409, 'The run was cancelled.'),
  run_not_over: row(409, 'The run is not over yet. Wait for its end, or cancel it first.'),
  run_not_failed: row(409, 'Only a failed run can be resumed. Replay the run to start it from the top.'),
  wait_timeout: row(504, 'What the run waited for did not come in time. Catch it, or wait longer.'),
  wait_over: row(410, 'The run does not wait for this request any more.'),
  invoke_cycle: row(
    409,
    'A job would wait for itself. The message has the chain; use `io.invoke`, which does not wait.',
  ),
  invoke_too_deep: row(
    409,
    'Runs invoke each other more than 20 deep. The message has the chain; let one job do the loop.',
  ),
  job_disabled: row(
    409,
    'The highest version of the job is not enabled. Define it without `enabled: false`.',
  ),
  lease_lost: row(409, 'Another worker took the run over.', { hidden: true }),

  // In the browser
  popup_blocked: row(400, 'The browser blocked the popup. Click the button that is shown.'),
  csp_blocked: row(
    400,
    'The page’s Content-Security-Policy blocks authflow. Add its origin to connect-src and form-action.',
  ),
  nested_form: row(
    400,
    'A form cannot stand inside a form. Put `<auth-form>` outside and point at the flow with `for`.',
  ),
  connect_token_invalid: row(400, 'The value given as connect token is not one. It begins with `ctk_ct_`.'),
  token_request_failed: row(
    502,
    'Your backend did not answer the request for a connect token. Check `token-url`.',
    retry,
  ),
  network_error: row(
    503,
    'The connect server cannot be reached. Check the connection and `endpoint`.',
    retry,
  ),
  endpoint_not_allowed: row(400, 'The element’s endpoint differs from the configured one.'),
  not_configured: row(400, 'Call configureAuthFlow({ endpoint }) before using the elements.'),
} as const satisfies Record<string, ErrorRow>

/** A stable code of {@link AuthFlowError}. */
export type ErrorCode = keyof typeof errorTable
