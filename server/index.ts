// Public exports of the server. Importing this runs nothing.

export { AuthFlow } from './authflow.ts'
export type { StartOptions } from './authflow.ts'
export type { AuthFlowOptions } from './options.ts'
export type { AuditQuery, AuditRow } from './connect/audit-list.ts'
export type { ConnectionEvent, ConnectionEventData } from './connect/connection-events.ts'
export type { AuditSettings } from './connect/context.ts'
export type { RenameRequest, RenameStatus } from './connect/rename.ts'
export type { ConnectionWebhook } from './connect/webhook-endpoints.ts'
export type {
  AuthFor,
  ConnectionQuery,
  ConnectionsQuery,
  GetAuthRequest,
  IntegrationId,
  IntegrationList,
  RunQuery,
  RunsQuery,
  ServerApi,
} from './server-api.ts'
export type { StoreExamination } from './examination.ts'
export type { IntegrationInspection, ServerCheck, ServerInspection } from './inspection.ts'
export type { JobVersion } from './queue/queue.ts'
export type { QueueOption, RedisServers } from './queue/redis-options.ts'
export type { NextHandler } from './http/app.ts'
export type { TrustedProxies } from './http/client-address.ts'
export type { MetricsAccess } from './http/metrics-route.ts'
export type { OwnPageTexts, PageTexts } from './http/page-texts.ts'
export type { RateLimits } from './http/rate-limits.ts'
export type { SecretKeyInfo } from './connect/key-uses.ts'

export { awsKms } from './vault/aws-kms.ts'
export type { AwsCredentials, AwsKmsOptions, AwsKmsProvider } from './vault/aws-kms.ts'
export type { KeyProvider, KeyProviderContext } from './vault/key-provider.ts'
export type { RootKey } from './vault/key-ring.ts'
export type { Keys, RetireRequest } from './vault/key-admin.ts'
export type { KeyState, RetiredKey } from './vault/retire-key.ts'
export type { KeyUsage } from './vault/key-usage.ts'
export type { RotateOptions, RotationProgress, RotationResult } from './vault/rotate-keys.ts'
export type { RotationLeft } from './vault/rotation-pass.ts'

export { currentRun } from './jobs/execution.ts'
export type { RetentionOptions } from './jobs/retention.ts'
export type { RunFacts } from './jobs/run-facts.ts'
export { connectionTrigger } from './triggers/connection-trigger.ts'
export type {
  ConnectionChangeName,
  ConnectionPayload,
  ConnectionTriggerOptions,
} from './triggers/connection-trigger.ts'
export {
  missingConnectionResolvedTrigger,
  missingConnectionTrigger,
} from './triggers/missing-connection-trigger.ts'
export type { MissingConnectionOptions } from './triggers/missing-connection-trigger.ts'
export type { MissingConnection } from './jobs/missing-connection.ts'
export { eventTrigger } from './triggers/event-trigger.ts'
export { invokeTrigger } from './triggers/invoke-trigger.ts'
export type { InvokeTriggerOptions } from './triggers/invoke-trigger.ts'
export { cronTrigger, intervalTrigger } from './triggers/schedule-trigger.ts'
export type {
  CronSettings,
  IntervalSettings,
  ScheduledPayload,
  ScheduleSettings,
} from './triggers/schedule-trigger.ts'
export { DynamicSchedule } from './triggers/dynamic-schedule.ts'
export type { ScheduleOptions, ScheduleRegistration } from './triggers/dynamic-schedule.ts'
export type { TriggerHost } from './triggers/host.ts'
export { DynamicTrigger } from './triggers/dynamic-trigger.ts'
export type { DynamicTriggerOptions } from './triggers/dynamic-trigger.ts'
export type {
  AnyDynamicTrigger,
  RegisterOptions,
  Registration,
  RegistrationApi,
  RegistrationName,
  RegistrationQuery,
  RegistrationState,
} from './triggers/registration.ts'
export { hmacHeader, httpTrigger, standardWebhook } from './triggers/http-trigger.ts'
export type {
  HmacHeaderOptions,
  HttpPayload,
  HttpTrigger,
  HttpTriggerOptions,
  HttpVerifier,
  HttpVerifyContext,
} from './triggers/http-trigger.ts'
export type {
  AppSource,
  EventSpecification,
  Hook,
  HookContext,
  PollSource,
  ReadContext,
  ReadResult,
  Received,
  RegistrationSource,
  SignatureTools,
  SourceContext,
  SourceEvent,
  TriggerSource,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './integrations/webhook-source.ts'
export type {
  ConcurrencyLimit,
  ConcurrencyLimitOptions,
  ConcurrencyOptions,
  JobConcurrency,
} from './jobs/concurrency.ts'
export type { CancelledRuns } from './jobs/cancel-many.ts'
export type {
  CancelRunsOptions,
  EventDetails,
  EventInput,
  EventRecord,
  EventScope,
  InvokeOptions,
  RunDetails,
  RunLogLine,
  SendEventOptions,
  TaskPage,
} from './jobs/engine.ts'
export { isTriggerError } from './jobs/trigger-error.ts'
export type {
  AuthResolver,
  ResolvedFacts,
  ResolvedKey,
  ResolvedLogin,
  ResolvedToken,
  ResolverAnswer,
} from './jobs/auth-resolvers.ts'
export type { NewSchedule, ScheduleBook } from './jobs/schedule-book.ts'
export type {
  EventFilter,
  GetAuthOptions,
  HostValues,
  Integrations,
  IO,
  JobOptions,
  Json,
  LogFacts,
  OnError,
  OnErrorResult,
  ParallelOptions,
  PayloadSchema,
  RandomOptions,
  RetryOptions,
  RunContext,
  RunEnd,
  RunLogger,
  RunStore,
  ScheduleRule,
  Status,
  StatusOptions,
  Task,
  TaskOptions,
  Trigger,
  ValueStore,
} from './jobs/job.ts'
export type { Job, OutputOf } from './jobs/job-handle.ts'
export type {
  AwaitedEvent,
  AwaitedItem,
  InvokeAndWaitOptions,
  InvokeItem,
  JobRef,
  OutsideIO,
  RunInvokeOptions,
  RunResult,
  WaitForEventOptions,
  WaitForRequestOptions,
  WithParent,
} from './jobs/outside-io.ts'

export type { GateNews, LimitedRequest, ProviderLimits, RateGate, RequestGate } from './net/rate-limits.ts'
export { defineFields } from './integrations/field-set.ts'
export { defineIntegration } from './integrations/define-integration.ts'
export { defineProvider } from './integrations/define-provider.ts'
export type { ProviderApi, ProviderDefinition } from './integrations/define-provider.ts'
export type {
  ClientCredentialsDefinition,
  DeviceDefinition,
  KeyDefinition,
  MethodDefinitions,
  OAuth2Definition,
  ProviderTools,
} from './integrations/defined-methods.ts'
export type {
  AuthOf,
  ClientCredentialsMethod,
  ClientKey,
  ConnectDefinition,
  DeviceMethod,
  FieldSet,
  Identified,
  Integration,
  KeyMethod,
  Method,
  OAuth2Method,
  OAuthClientOptions,
  OAuthMethod,
  OidcProfile,
  ProviderContext,
  RefreshRotation,
  TokenSet,
} from './integrations/integration.ts'
export type { GuardedFetch, GuardedRequest } from './net/guarded-fetch.ts'

export { retry } from '../shared/retry.ts'
export { AuthFlowError, errorTable, isAuthFlowError } from '../shared/errors.ts'
export type { ErrorCode, ErrorDetails, ErrorReply, FieldError } from '../shared/errors.ts'
export type {
  ApiKeyAuth,
  Auth,
  BasicAuth,
  Connection,
  ConnectionState,
  Identity,
  Metadata,
  MetadataValue,
  OAuth2Auth,
} from '../shared/auth.ts'
export type {
  ConfirmPageRequest,
  ConfirmRequest,
  ConnectLink,
  ConnectLinkRequest,
  ConnectPageRequest,
  PagePurpose,
} from './connect/connect.ts'
export type {
  ConnectPurpose,
  ConnectTokenReply,
  ConnectTokenRequest,
  Page,
  RunState,
  RunSummary,
  TaskSummary,
} from '../shared/flow.ts'
export type { RunStatus, RunStatuses, StatusChange, StatusState } from '../shared/run-status.ts'
export type { Logger } from '../shared/log.ts'
