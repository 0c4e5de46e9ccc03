//! Reads a SAM or CloudFormation template and returns the stack that it describes: WebSocket APIs, functions,
//! tables, queues, topic rules and permissions, with every intrinsic evaluated and nested stacks written out.
//!
//! What the template holds that this crate does not know is listed once, in [`Stack::notes`]; what it knows and
//! cannot honour is an error that names file, line and column ([`TemplateError`]), all of them at once. What is used,
//! noted and refused is in `docs/templates.md`. The crate opens no socket and starts no process, and does not know who
//! reads the stack: a gateway, a function host, a rule engine.
//!
//! ```
//! use dunlin_stack::{Parameters, Stack};
//!
//! let template = "
//! Parameters:
//!   Stage: {Type: String, Default: dev}
//! Conditions:
//!   IsProd: !Equals [!Ref Stage, prod]
//! Resources:
//!   Echo:
//!     Type: AWS::Serverless::Function
//!     Properties:
//!       CodeUri: .build/echo/
//!       Handler: echo
//!       Runtime: provided.al2023
//!       MemorySize: !If [IsProd, 1024, 256]
//! ";
//! let path = std::path::Path::new("app/template.yaml");
//! let stack = Stack::parse(path, template, &Parameters::default())?;
//! let echo = &stack.functions[0];
//! assert_eq!((echo.name.as_str(), echo.memory_mb), ("dunlin-Echo", 256));
//! assert!(echo.code.ends_with("app/.build/echo"));
//!
//! let misspelt = template.replace("[IsProd,", "[IsPord,");
//! let error = Stack::parse(path, &misspelt, &Parameters::default()).unwrap_err();
//! assert_eq!(
//!     error.problems()[0].message(),
//!     "there is no condition IsPord in the section Conditions"
//! );
//! assert_eq!(error.problems()[0].line(), Some(13));
//! # Ok::<(), dunlin_stack::TemplateError>(())
//! ```
//!
//! # How it reads
//!
//! A file becomes a tree that knows its places (`yaml`); parameters get their values, SAM's types are written out as
//! plain resources (`sam`), conditions decide what is there (`conditions`), and the rest is put into an order in
//! which each resource comes after those it refers to (`graph`). Then every resource is evaluated, once
//! (`resolve`, `intrinsics`). Only what comes out of that, plain values with places, is read as APIs, functions and so
//! on (`resources`).

mod arn;
mod conditions;
mod error;
mod findings;
mod graph;
mod intrinsics;
mod load;
mod model;
mod nested;
mod node;
mod parameters;
mod resolve;
mod resources;
mod sam;
mod section;
mod snippet;
mod source;
mod template;
mod yaml;

pub use arn::{ACCOUNT_ID, PARTITION, REGION_DEFAULT, STACK_NAME_DEFAULT, URL_SUFFIX, api_id};
pub use error::{PROBLEMS_MAX, Problem, Problems, TemplateError};
pub use model::{
    AccessLog, ApiKey, ApiKeySource, ApiMapping, Authorization, Authorizer, ContentHandling, Domain,
    Function, HttpEndpoint, Integration, IntegrationKind, IntegrationResponse, LogFormat, LogLevel, Logging,
    Mapping, Model, Note, Observation, Passthrough, Permission, Place, Queue, Quota, QuotaPeriod,
    RepublishHeaders, RequestModels, Route, RouteLogLevel, RuleAction, Sql, Stack, Stage, Table, Templates,
    Throttle, TopicRule, UsagePlan, WebSocketApi, queue_name,
};
pub use parameters::Parameters;
