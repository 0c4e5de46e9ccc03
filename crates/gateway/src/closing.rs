use std::time::Duration;

/// How long a connection may take to say goodbye: to write what still waits, exchange close frames and let the client finish its
/// sentence. Ours: enough for any network between a developer's browser and machine, and below [`crate::gateway::SHUTDOWN_TIME_MAX`].
pub(crate) const GOODBYE_TIME_MAX: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The client sent a close frame, perhaps with a code and a reason.
    ByClient(Option<(u16, String)>),
    /// The gateway sends one.
    ByGateway(CloseCause),
    /// No close frame came.
    Lost,
}

/// Why the gateway closes a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseCause {
    /// DELETE over the management API.
    Deleted,
    /// No message in either direction (Q4).
    Idle,
    /// At its greatest age (Q6).
    Aged,
    /// The gateway goes down.
    Shutdown,
    /// A binary message (R11).
    Binary,
    /// A frame or message over the limit (R12).
    TooLarge,
    /// Text that is not UTF-8.
    InvalidText,
    /// Not the WebSocket protocol.
    Protocol,
    /// A fault that was asked for: no close frame is sent, as if the network had gone.
    Cut,
}

impl CloseCause {
    /// Of the close frame and of the DISCONNECT event alike (X4).
    pub(crate) fn code(self) -> u16 {
        match self {
            CloseCause::Deleted => 1000,
            CloseCause::Idle | CloseCause::Aged | CloseCause::Shutdown => 1001,
            CloseCause::Protocol => 1002,
            CloseCause::Cut => 1006,
            CloseCause::Binary => 1003,
            CloseCause::InvalidText => 1007,
            CloseCause::TooLarge => 1009,
        }
    }

    /// The service's text where it is known (X3), else a short one of ours (U7).
    pub(crate) fn reason(self) -> &'static str {
        match self {
            CloseCause::Deleted => "Connection Closed Normally",
            CloseCause::Idle | CloseCause::Aged | CloseCause::Shutdown => "Going away",
            CloseCause::Protocol => "Protocol error",
            CloseCause::Binary => "Binary messages are not supported",
            CloseCause::InvalidText => "Invalid UTF-8",
            CloseCause::TooLarge => "Message too large",
            CloseCause::Cut => "Connection lost",
        }
    }

    /// Whether the client broke a rule, so that nothing more is read from it.
    pub(crate) fn is_violation(self) -> bool {
        match self {
            CloseCause::Binary | CloseCause::TooLarge | CloseCause::InvalidText | CloseCause::Protocol => {
                true
            }
            CloseCause::Deleted
            | CloseCause::Idle
            | CloseCause::Aged
            | CloseCause::Shutdown
            | CloseCause::Cut => false,
        }
    }
}

impl From<CloseCause> for Ending {
    fn from(cause: CloseCause) -> Self {
        if cause == CloseCause::Cut { Ending::Lost } else { Ending::ByGateway(cause) }
    }
}

impl Ending {
    /// `disconnectStatusCode` (X3).
    pub(crate) fn code(&self) -> u16 {
        match self {
            Ending::ByClient(None) => 1005,
            Ending::ByClient(Some((code, _))) => *code,
            Ending::ByGateway(cause) => cause.code(),
            Ending::Lost => 1006,
        }
    }

    /// `disconnectReason` (X3, U7).
    pub(crate) fn reason(&self) -> &str {
        match self {
            Ending::ByClient(None) => "Client-side close frame status not set",
            Ending::ByClient(Some((_, reason))) => reason,
            Ending::ByGateway(cause) => cause.reason(),
            Ending::Lost => "Connection lost",
        }
    }
}
