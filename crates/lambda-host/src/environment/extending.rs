//! The environment as its extensions see it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::oneshot;

use super::{Environment, epoch_ms};
use crate::{
    RequestId,
    extensions::{ExtensionEvent, Refused, ShutdownReason, Subscription},
};

impl Environment {
    /// Registers an extension under an identifier of the caller's making.
    ///
    /// # Errors
    /// The error type and the text of the refusal.
    pub(crate) fn register_extension(
        &self,
        name: &str,
        identifier: &RequestId,
        events: &[Subscription],
    ) -> Result<(), Refused> {
        let mut state = self.state();
        if state.initialised || state.ended {
            return Err(("Extension.RegistrationClosed", "Extension registration closed already".to_owned()));
        }
        // P14: such an environment has no one invocation to be told of.
        if self.concurrency > 1 && events.contains(&Subscription::Invoke) {
            return Err((
                "Extension.InvalidEventType",
                "INVOKE: not where several invocations run at a time".to_owned(),
            ));
        }
        state.extensions.register(name, identifier, events)
    }

    /// An extension asks for its next event. `None` if there is no such extension.
    pub(crate) fn poll_extension(
        self: &Arc<Self>,
        identifier: &str,
    ) -> Option<oneshot::Receiver<ExtensionEvent>> {
        let (receiver, offer) = {
            let mut state = self.state();
            let receiver = state.extensions.poll(identifier)?;
            (receiver, self.claim_offer(&mut state))
        };
        if offer {
            self.offer();
        }
        Some(receiver)
    }

    pub(crate) fn extension_name(&self, identifier: &str) -> Option<String> {
        self.state().extensions.name_of(identifier).map(str::to_owned)
    }

    /// The time that the process and its extensions get to end in order, and whether one of them is told by an event.
    pub(crate) fn shutdown_grace(&self) -> (Duration, bool) {
        let state = self.state();
        (state.extensions.grace(), state.extensions.are_told_of_shutdown())
    }

    /// Tells the extensions that the environment ends.
    pub(crate) fn tell_shutdown(&self, reason: ShutdownReason, deadline: SystemTime) {
        let event = ExtensionEvent::Shutdown { deadline_ms: epoch_ms(deadline), shutdown_reason: reason };
        self.state().extensions.tell_shutdown(event);
    }
}
