use bytes::Bytes;

/// What runs functions. The gateway knows back ends by this trait alone; it does not know that they are processes.
///
/// The gateway itself ends the wait at the integration's timeout, by dropping the future; whether the function
/// then goes on is the back end's affair.
pub trait Backend: Send + Sync + 'static {
    /// Runs `function` (a name or an ARN, as configured) with `payload` and returns its answer, both JSON.
    ///
    /// # Errors
    /// See [`BackendError`]; the kind decides what the client sees.
    fn invoke(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<Bytes, BackendError>> + Send;

    /// Hands `payload` over to `function`, to be run later (G8). By default that is a call whose answer is dropped.
    ///
    /// # Errors
    /// See [`BackendError`].
    fn invoke_event(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        async move { self.invoke(function, payload).await.map(drop) }
    }

    /// As [`invoke`](Self::invoke), but what runs the function dies over it: somebody asked for that fault. By default nothing
    /// runs at all.
    ///
    /// # Errors
    /// See [`BackendError`]; nearly always the first one.
    fn crash(
        &self,
        _function: &str,
        _payload: Bytes,
    ) -> impl Future<Output = Result<Bytes, BackendError>> + Send {
        let message = "the function crashed, as a fault rule asks for".to_owned();
        async move { Err(BackendError::FunctionError { message }) }
    }

    /// Ends what is warm of `function`, so that its next call starts cold. By default there is no such thing.
    fn retire(&self, _function: &str) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl<B: Backend> Backend for std::sync::Arc<B> {
    fn invoke(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<Bytes, BackendError>> + Send {
        (**self).invoke(function, payload)
    }

    fn invoke_event(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        (**self).invoke_event(function, payload)
    }

    fn crash(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<Bytes, BackendError>> + Send {
        (**self).crash(function, payload)
    }

    fn retire(&self, function: &str) -> impl Future<Output = ()> + Send {
        (**self).retire(function)
    }
}

/// Why a function gave no answer. The back end logs the details; the gateway needs the kind only.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BackendError {
    /// It threw, crashed, or did not start: 502 on `$connect` (H10), else an error frame (R9).
    #[error("the function failed: {message}")]
    FunctionError {
        /// The `errorMessage` of its answer; what an authorizer throws decides about the status (H13).
        message: String,
    },
    /// The gateway may not invoke it: 500 on `$connect` (U22), else R9.
    #[error("the function may not be invoked")]
    NotPermitted,
    /// There is no such function: as for a missing permission.
    #[error("there is no such function")]
    NotFound,
    /// No execution environment is free.
    #[error("the function is throttled")]
    Throttled,
    /// The event or the answer is larger than an invocation may carry.
    #[error("the event or the answer is too large")]
    TooLarge,
    /// The back end itself is not there.
    #[error("the back end is unavailable")]
    Unavailable,
}
