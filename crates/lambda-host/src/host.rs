use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use dunlin_events::limits::{INVOKE_EVENT_BYTES_MAX, INVOKE_PAYLOAD_BYTES_MAX};
use http::HeaderValue;
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Authorize, CodeError, ConfigError, FunctionConfig, HostConfig, InvocationType, InvokeError,
    InvokeOutcome, InvokeRequest, RequestId,
    background::Background,
    concurrency::Bound,
    config::function_arn,
    function::{Event, Function, Shared},
    invoke_api,
    pool::Standing,
    spawner::Spawner,
};

/// A set of functions and the processes that run them.
///
/// Nothing of it survives it: [`shutdown`](Self::shutdown) ends the processes in order, dropping the host kills
/// them, and when the host's own process is killed the kernel kills them.
pub struct LambdaHost {
    inner: Arc<Inner>,
}

/// The part that tasks hold on to; they must not keep the host itself from being dropped.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    functions: RwLock<HashMap<String, Arc<Function>>>,
    pub(crate) background: Background,
}

/// An execution environment, for whoever looks on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentInfo {
    /// The function's name.
    pub function: String,
    /// The id of the process, which is also the id of its group.
    pub pid: u32,
    /// Whether it is at an invocation, or still starting.
    pub busy: bool,
}

impl LambdaHost {
    /// Starts a host without functions.
    ///
    /// # Errors
    /// The configuration is refused, or the system refuses a thread.
    pub fn start(config: HostConfig) -> Result<Arc<Self>, ConfigError> {
        config.check()?;
        let inherited = ["PATH", "LANG"]
            .into_iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .collect();
        let shared = Arc::new(Shared {
            spawner: Spawner::start().map_err(|source| ConfigError::Thread { source })?,
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            unreserved: Bound::new(config.account_concurrency_max),
            inherited,
            lines_dropped: Arc::new(AtomicU64::new(0)),
            running: Mutex::new(Vec::new()),
            config,
        });
        let inner = Inner { shared, functions: RwLock::default(), background: Background::new() };
        Ok(Arc::new(Self { inner: Arc::new(inner) }))
    }

    /// Replaces the set of functions. A function whose configuration is the same keeps its environments; those of
    /// any other end as soon as they are idle.
    ///
    /// # Errors
    /// A function's configuration is refused, or all together reserve more than there is; nothing has changed then.
    pub fn set_functions(&self, functions: Vec<FunctionConfig>) -> Result<(), ConfigError> {
        let shared = &self.inner.shared;
        let unreserved = shared.config.unreserved(&functions)?;
        let mut current = self.inner.functions.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = HashMap::with_capacity(functions.len());
        for mut config in functions {
            config.check()?;
            config.code = std::path::absolute(&config.code).unwrap_or(config.code);
            let function = match current.get(&config.name) {
                Some(function) if function.config == config => Arc::clone(function),
                _ => {
                    let arn = function_arn(&shared.config.region, &shared.config.account_id, &config.name);
                    let arn_header = HeaderValue::from_str(&arn)
                        .expect("region, account and name are checked to be letters, digits and dashes");
                    Arc::new(Function::new(config, arn, arn_header, Arc::clone(shared)))
                }
            };
            if let Some(twice) = next.insert(function.config.name.clone(), function) {
                return Err(ConfigError::NameTwice { name: twice.config.name.clone() });
            }
        }
        shared.unreserved.set_max(unreserved);
        let previous = std::mem::replace(&mut *current, next);
        for (name, function) in previous {
            if !current.get(&name).is_some_and(|kept| Arc::ptr_eq(kept, &function)) {
                function.retire();
            }
        }
        Ok(())
    }

    /// Looks whether each function's code could be started, without starting it: what a start-up tells its user.
    pub fn check_code(&self) -> Vec<(String, CodeError)> {
        let mut faults: Vec<_> = self
            .inner
            .all_functions()
            .iter()
            .filter_map(|function| Some((function.config.name.clone(), function.code.check().err()?)))
            .collect();
        faults.sort_by(|(one, _), (other, _)| one.cmp(other));
        faults
    }

    /// The ARN of a function, given its name or ARN.
    pub fn function_arn(&self, function: &str) -> Option<String> {
        self.inner.find(function).ok().map(|function| function.arn.clone())
    }

    /// Invokes a function, by name or ARN. Cold starts, queueing and time limits are the host's; a caller that stops
    /// waiting does not stop the function.
    ///
    /// The payload is passed on unread, so it is the caller who knows that it is JSON.
    ///
    /// # Errors
    /// No function saw the event to its end. A function's own failure is an outcome.
    pub async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        invocation_type: InvocationType,
    ) -> Result<InvokeOutcome, InvokeError> {
        self.inner.invoke(InvokeRequest::new(function, payload, invocation_type)).await
    }

    /// As [`invoke`](Self::invoke), with everything that a caller may say.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke).
    pub async fn invoke_request(&self, request: InvokeRequest) -> Result<InvokeOutcome, InvokeError> {
        self.inner.invoke(request).await
    }

    /// Serves the Invoke API on a listener until `shutdown` completes or the host ends. Without an `authorize` hook
    /// everyone who reaches the listener may invoke, except web pages.
    pub async fn serve_invoke_api(
        &self,
        listener: TcpListener,
        authorize: Option<Authorize>,
        shutdown: impl Future<Output = ()>,
    ) {
        let host_ends = self.inner.shared.shutdown.clone();
        let ends = async {
            tokio::select! {
                () = shutdown => {}
                () = host_ends.cancelled() => {}
            }
        };
        invoke_api::serve(Arc::clone(&self.inner), listener, authorize, ends).await;
    }

    /// The environments that run at this moment.
    pub fn environments(&self) -> Vec<EnvironmentInfo> {
        let running = self.inner.shared.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let info = |environment: &Arc<crate::environment::Environment>| {
            let function = environment.function()?;
            Some(EnvironmentInfo {
                busy: function.standing(environment.id)? != Standing::Idle,
                function: function.config.name.clone(),
                pid: environment.process.pid(),
            })
        };
        running.iter().filter_map(info).collect()
    }

    /// Lets the environments of a function end, by name or ARN, as if they had stood idle for too long: those at an invocation
    /// after it. The next invocation starts cold. Says how many there were.
    ///
    /// # Errors
    /// There is no such function.
    pub fn retire_environments(&self, function: &str) -> Result<usize, InvokeError> {
        let function = self.inner.find(function)?;
        let running = self.inner.shared.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let own = |environment: &&Arc<crate::environment::Environment>| {
            environment.function().is_some_and(|owner| Arc::ptr_eq(&owner, &function))
        };
        Ok(running.iter().filter(own).filter(|environment| function.retire_environment(environment)).count())
    }

    /// Lines that were dropped because the channel of [`HostConfig::log_lines`] was full.
    pub fn log_lines_dropped(&self) -> u64 {
        self.inner.shared.lines_dropped.load(Ordering::Relaxed)
    }

    /// Ends everything in order: invocations are refused, those under way are told, and processes get what the service
    /// gives them. With an extension registered that is SIGTERM, 500 ms (2 s if an extension is told by an event) and
    /// SIGKILL; without one it is SIGKILL. When this returns no process is left.
    pub async fn shutdown(&self) {
        let shared = &self.inner.shared;
        self.inner.begin_end();
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}

impl Drop for LambdaHost {
    fn drop(&mut self) {
        self.inner.begin_end();
        for environment in &*self.inner.shared.running.lock().unwrap_or_else(PoisonError::into_inner) {
            environment.process.signal_group(Signal::KILL);
        }
    }
}

impl Inner {
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        request: InvokeRequest,
    ) -> Result<InvokeOutcome, InvokeError> {
        let function = self.find(&request.function)?;
        let bytes_max = match request.invocation_type {
            InvocationType::Event => INVOKE_EVENT_BYTES_MAX,
            InvocationType::RequestResponse | InvocationType::DryRun => INVOKE_PAYLOAD_BYTES_MAX,
        };
        if request.payload.len() > bytes_max {
            return Err(InvokeError::PayloadTooLarge {
                bytes: request.payload.len(),
                bytes_max,
                invocation_type: request.invocation_type,
            });
        }
        if self.shared.shutdown.is_cancelled() {
            return Err(InvokeError::ShuttingDown);
        }
        let event = Event {
            request_id: self.new_id(),
            payload: request.payload,
            client_context: request.client_context,
            trace_id: request.trace_id,
            log_tail: request.log_tail,
            crash: request.crash,
        };
        let request_id = event.request_id.clone();
        match request.invocation_type {
            InvocationType::RequestResponse => return function.invoke(event).await,
            InvocationType::Event => self.background.accept(self, &function, event, 0)?,
            InvocationType::DryRun => {}
        }
        Ok(InvokeOutcome::accepted(request_id))
    }

    pub(crate) fn new_id(&self) -> RequestId {
        RequestId::random(&self.shared.config.random_bytes)
    }

    /// By name, `{account}:function:{name}`, `function:{name}` or ARN, each with or without `:$LATEST`.
    pub(crate) fn find(&self, function: &str) -> Result<Arc<Function>, InvokeError> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = functions.get(function) {
            return Ok(Arc::clone(found));
        }
        let not_found = || InvokeError::NotFound { function: function.to_owned() };
        let unversioned = function.strip_suffix(":$LATEST").unwrap_or(function);
        let name = unversioned.rsplit(':').next().unwrap_or_default();
        let found = functions.get(name).ok_or_else(not_found)?;
        // What stands before the name has to be the end of what stands before it in the ARN.
        let matches =
            found.arn.strip_suffix(unversioned).is_some_and(|rest| rest.is_empty() || rest.ends_with(':'));
        if matches { Ok(Arc::clone(found)) } else { Err(not_found()) }
    }

    /// The ARN of whatever was meant, whether it exists or not.
    pub(crate) fn arn_of(&self, function: &str) -> String {
        let name = function.split_once("function:").map_or(function, |(_, name)| name);
        function_arn(&self.shared.config.region, &self.shared.config.account_id, name)
    }

    /// Whether a version or an alias of a function was meant that is there.
    pub(crate) fn is_qualified(&self, function: &str) -> bool {
        function.rsplit_once(':').is_some_and(|(function, _)| self.find(function).is_ok())
    }

    /// Refuses what comes, and tells those who wait.
    fn begin_end(&self) {
        let events = self.background.accepted();
        if events > 0 && !self.shared.shutdown.is_cancelled() {
            tracing::warn!(events, "asynchronous invocations are lost: the host is shutting down");
        }
        self.shared.shutdown.cancel();
        for function in self.all_functions() {
            function.clear_queue();
        }
    }

    fn all_functions(&self) -> Vec<Arc<Function>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
