use std::{borrow::Cow, cell::RefCell};

use http::StatusCode;
use time::{format_description::FormatItem, macros::format_description};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    closing::GOODBYE_TIME_MAX,
    stream::{Stream, linger},
};

/// An HTTP answer instead of a WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status, message: message.into() }
    }

    /// With the status's usual words.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let message = match status {
            // What the service says for all failures of its own or of a function.
            _ if status.is_server_error() => "Internal server error",
            _ => status.canonical_reason().unwrap_or("Refused"),
        };
        Refusal::new(status, message)
    }

    pub(crate) fn forbidden() -> Self {
        Refusal::of_status(StatusCode::FORBIDDEN)
    }

    /// Sends the answer and ends the stream, within [`GOODBYE_TIME_MAX`].
    pub(crate) async fn send(self, stream: &mut Stream, request_id: &str, now_ms: u64) {
        let answer = self.print(request_id, now_ms);
        let sent = async {
            stream.write_all(&answer).await?;
            stream.shutdown().await?;
            linger(stream).await;
            std::io::Result::Ok(())
        };
        // A client that does not listen loses nothing.
        let _ = timeout(GOODBYE_TIME_MAX, sent).await;
    }

    /// The request id stands on refusals only (U2).
    fn print(&self, request_id: &str, now_ms: u64) -> Vec<u8> {
        let status = self.status.as_u16();
        let reason = self.status.canonical_reason().unwrap_or("Refused");
        let date = http_date(now_ms);
        let body =
            if self.status == StatusCode::NOT_MODIFIED { String::new() } else { message_body(&self.message) };
        // RFC 6455, section 4.4, and RFC 9110, section 15.5.22: what would be understood.
        let (also, version) = match self.status {
            StatusCode::UPGRADE_REQUIRED => {
                (", Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            }
            _ => ("", ""),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\nDate: {date}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close{also}\r\nx-amzn-RequestId: {request_id}\r\n{version}\r\n{body}"
        )
        .into_bytes()
    }
}

/// `{"message":"…"}`.
pub(crate) fn message_body(message: &str) -> String {
    serde_json::json!({ "message": message }).to_string()
}

/// As HTTP's `Date` has it.
pub(crate) fn http_date(epoch_ms: u64) -> String {
    const FORMAT: &[FormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    thread_local! {
        /// The last second that was printed on this thread: answers come thousands a second.
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    LAST.with_borrow_mut(|(second, date)| {
        if *second != epoch_ms / 1_000 {
            *second = epoch_ms / 1_000;
            *date = dunlin_events::utc(epoch_ms).format(FORMAT).unwrap_or_default();
        }
        date.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_small_http_answers() {
        let printed = Refusal::forbidden().print("id=", 1_721_807_234_120);
        assert_eq!(
            String::from_utf8(printed).unwrap(),
            "HTTP/1.1 403 Forbidden\r\nDate: Wed, 24 Jul 2024 07:47:14 GMT\r\nContent-Type: application/json\r\n\
             Content-Length: 23\r\nConnection: close\r\nx-amzn-RequestId: id=\r\n\r\n{\"message\":\"Forbidden\"}"
        );
        let not_modified = Refusal::of_status(StatusCode::NOT_MODIFIED).print("id=", 0);
        assert!(String::from_utf8(not_modified).unwrap().ends_with("\r\n\r\n"));
    }
}
