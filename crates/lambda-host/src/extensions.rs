use std::time::Duration;

use dunlin_events::limits::{FUNCTION_EXTENSIONS_MAX, SHUTDOWN_EXTERNAL_MAX, SHUTDOWN_INTERNAL_MAX};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::RequestId;

/// The extensions of one environment: programs or threads beside the function that the Extensions API tells of its life.
#[derive(Default)]
pub(crate) struct Extensions {
    registered: Vec<Extension>,
    /// Set at the end, for whoever asks after that.
    ending: Option<ExtensionEvent>,
}

struct Extension {
    name: String,
    identifier: String,
    invoke: bool,
    shutdown: bool,
    /// It has asked for its next event since the last one.
    ready: bool,
    poll: Option<oneshot::Sender<ExtensionEvent>>,
}

/// What an extension can ask to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    Invoke,
    Shutdown,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "eventType", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub(crate) enum ExtensionEvent {
    Invoke {
        deadline_ms: u64,
        request_id: String,
        invoked_function_arn: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        tracing: Option<Tracing>,
    },
    Shutdown {
        deadline_ms: u64,
        shutdown_reason: ShutdownReason,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tracing {
    r#type: &'static str,
    value: String,
}

impl Tracing {
    pub(crate) fn new(value: String) -> Self {
        Self { r#type: "X-Amzn-Trace-Id", value }
    }
}

/// Why an environment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShutdownReason {
    Spindown,
    Timeout,
    Failure,
}

/// Why a registration is refused: an error type and its text.
pub(crate) type Refused = (&'static str, String);

impl Extensions {
    pub(crate) fn register(
        &mut self,
        name: &str,
        identifier: &RequestId,
        events: &[Subscription],
    ) -> Result<(), Refused> {
        if self.registered.iter().any(|extension| extension.name == name) {
            return Err((
                "Extension.InvalidExtensionState",
                "Extension with this name already registered".to_owned(),
            ));
        }
        if self.registered.len() >= FUNCTION_EXTENSIONS_MAX {
            return Err((
                "Extension.TooManyExtensions",
                format!("Extension limit ({FUNCTION_EXTENSIONS_MAX}) reached"),
            ));
        }
        self.registered.push(Extension {
            name: name.to_owned(),
            identifier: identifier.as_str().to_owned(),
            invoke: events.contains(&Subscription::Invoke),
            shutdown: events.contains(&Subscription::Shutdown),
            ready: false,
            poll: None,
        });
        Ok(())
    }

    /// The extension's name, if there is one with that identifier.
    pub(crate) fn name_of(&self, identifier: &str) -> Option<&str> {
        let known = self.registered.iter().find(|extension| extension.identifier == identifier);
        known.map(|extension| extension.name.as_str())
    }

    /// An extension asks for its next event. `None` if there is no such extension.
    pub(crate) fn poll(&mut self, identifier: &str) -> Option<oneshot::Receiver<ExtensionEvent>> {
        let extension = self.registered.iter_mut().find(|extension| extension.identifier == identifier)?;
        let (sender, receiver) = oneshot::channel();
        extension.ready = true;
        match &self.ending {
            Some(event) if extension.shutdown => drop(sender.send(event.clone())),
            _ => extension.poll = Some(sender),
        }
        Some(receiver)
    }

    /// Whether all of them have asked for their next event: only then is the environment free for an invocation.
    pub(crate) fn are_ready(&self) -> bool {
        self.registered.iter().all(|extension| extension.ready)
    }

    /// The first that has not asked for its next event.
    pub(crate) fn late(&self) -> Option<&str> {
        self.registered.iter().find(|extension| !extension.ready).map(|extension| extension.name.as_str())
    }

    /// Tells those who want to know that an invocation begins.
    pub(crate) fn tell_invoke(&mut self, event: impl FnOnce() -> ExtensionEvent) {
        if !self.registered.iter().any(|extension| extension.invoke) {
            return;
        }
        let event = event();
        for extension in self.registered.iter_mut().filter(|extension| extension.invoke) {
            // One that is gone, or has closed its poll, is not waited for.
            extension.ready = extension.poll.take().is_none_or(|poll| poll.send(event.clone()).is_err());
        }
    }

    /// Tells those who want to know that the environment ends.
    pub(crate) fn tell_shutdown(&mut self, event: ExtensionEvent) {
        for extension in self.registered.iter_mut().filter(|extension| extension.shutdown) {
            if let Some(poll) = extension.poll.take() {
                drop(poll.send(event.clone()));
            }
        }
        self.ending = Some(event);
    }

    /// Whether one of them wants to be told of the end.
    pub(crate) fn are_told_of_shutdown(&self) -> bool {
        self.registered.iter().any(|extension| extension.shutdown)
    }

    /// The time that an environment gets to end in order: none without extensions (P17).
    pub(crate) fn grace(&self) -> Duration {
        if self.are_told_of_shutdown() {
            SHUTDOWN_EXTERNAL_MAX
        } else if self.registered.is_empty() {
            Duration::ZERO
        } else {
            SHUTDOWN_INTERNAL_MAX
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seed: u8) -> RequestId {
        let random: crate::RandomBytes = std::sync::Arc::new(move |buffer| buffer.fill(seed));
        RequestId::random(&random)
    }

    fn invoke() -> ExtensionEvent {
        ExtensionEvent::Invoke {
            deadline_ms: 7,
            request_id: "r".to_owned(),
            invoked_function_arn: "arn".to_owned(),
            tracing: None,
        }
    }

    #[test]
    fn events_look_as_the_services() {
        assert_eq!(
            serde_json::to_string(&invoke()).unwrap(),
            r#"{"eventType":"INVOKE","deadlineMs":7,"requestId":"r","invokedFunctionArn":"arn"}"#
        );
        let event = ExtensionEvent::Shutdown { deadline_ms: 9, shutdown_reason: ShutdownReason::Spindown };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"eventType":"SHUTDOWN","deadlineMs":9,"shutdownReason":"spindown"}"#
        );
    }

    #[test]
    fn an_environment_is_free_when_its_extensions_are() {
        let mut extensions = Extensions::default();
        assert!(extensions.are_ready());
        assert_eq!(extensions.grace(), Duration::ZERO);
        extensions.register("quiet", &id(1), &[]).unwrap();
        assert_eq!(extensions.grace(), SHUTDOWN_INTERNAL_MAX);
        extensions.register("busy", &id(2), &[Subscription::Invoke, Subscription::Shutdown]).unwrap();
        assert_eq!(extensions.grace(), SHUTDOWN_EXTERNAL_MAX);
        assert_eq!(
            extensions.register("busy", &id(3), &[]).unwrap_err().0,
            "Extension.InvalidExtensionState"
        );
        let mut quiet = extensions.poll(id(1).as_str()).unwrap();
        assert_eq!(extensions.late(), Some("busy"));
        let mut busy = extensions.poll(id(2).as_str()).unwrap();
        assert!(extensions.are_ready());
        extensions.tell_invoke(invoke);
        assert_eq!(busy.try_recv().unwrap(), invoke());
        assert!(quiet.try_recv().is_err());
        assert!(!extensions.are_ready());
        // One that has gone is not waited for.
        drop(extensions.poll(id(2).as_str()));
        extensions.tell_invoke(invoke);
        assert!(extensions.are_ready());
        assert!(extensions.poll("unknown").is_none());
    }

    #[test]
    fn who_asks_after_the_end_is_told_too() {
        let mut extensions = Extensions::default();
        extensions.register("late", &id(1), &[Subscription::Shutdown]).unwrap();
        let event = ExtensionEvent::Shutdown { deadline_ms: 9, shutdown_reason: ShutdownReason::Timeout };
        extensions.tell_shutdown(event.clone());
        assert_eq!(extensions.poll(id(1).as_str()).unwrap().try_recv().unwrap(), event);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut extensions = Extensions::default();
        for number in 0..FUNCTION_EXTENSIONS_MAX {
            extensions.register(&number.to_string(), &id(1), &[]).unwrap();
        }
        assert_eq!(extensions.register("more", &id(1), &[]).unwrap_err().0, "Extension.TooManyExtensions");
    }
}
