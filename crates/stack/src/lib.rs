//! Reads a SAM or CloudFormation template and returns the stack that it describes: WebSocket APIs, functions,
//! tables, topic rules and permissions, with every intrinsic evaluated.
//!
//! What the template holds that this crate does not know is listed once, in [`Stack::notes`]; what it knows and
//! cannot honour is an error that names file and line ([`TemplateError`]). The crate opens no socket and starts no
//! process, and does not know who reads the stack: a gateway, a function host, a rule engine.
//!
//! ```
//! use dunlin_stack::{Parameters, Stack};
//!
//! let template = "
//! Resources:
//!   Echo:
//!     Type: AWS::Serverless::Function
//!     Properties: {CodeUri: .build/echo/, Handler: echo, Runtime: provided.al2023}
//! ";
//! let stack = Stack::parse("app/template.yaml".as_ref(), template, &Parameters::default())?;
//! assert_eq!(stack.functions[0].name, "dunlin-Echo");
//! assert!(stack.functions[0].code.ends_with("app/.build/echo"));
//! # Ok::<(), dunlin_stack::TemplateError>(())
//! ```

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
    Function, Integration, IntegrationKind, LogFormat, LogLevel, Logging, Note, Permission, Place, Queue,
    RepublishHeaders, Route, RuleAction, Sql, Stack, Stage, Table, TopicRule, WebSocketApi, queue_name,
};
pub use parameters::Parameters;
