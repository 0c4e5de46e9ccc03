//! The management API: one suite for the fake, the lean client and the SDK's, against the real gateway in this process.
//!
//! [`suite`] says what a client does, for anything that a [`Harness`](harness::Harness) can start. Between a client and the
//! gateway stands a [`proxy`](proxy::Proxy), which makes the trouble that a local gateway never makes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of test functions")]

mod fake;
mod harness;
mod lean;
mod over;
mod proxy;
mod service;
mod suite;
mod tls;

/// Runs these cases of the suite with this harness.
macro_rules! run {
    ($harness:ty, $group:ident: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::suite::$group::$case(<$harness as crate::harness::Harness>::start().await).await;
            }
        )+
    };
}

/// What every client can do.
macro_rules! healthy {
    ($harness:ty) => {
        run!($harness, healthy:
            a_post_arrives_as_text,
            no_bytes_are_a_message_too,
            the_largest_message_arrives_whole,
            more_is_refused_before_it_is_sent,
            a_client_that_hung_up_is_gone,
            nobody_is_gone_for_every_call,
            a_connection_is_described,
            a_deleted_connection_closes_and_is_gone,
            many_connections_at_once_get_their_own,
            a_dropped_call_leaves_nothing_behind,
        );
    };
}

/// What every client makes of a service in trouble.
macro_rules! troubled {
    ($harness:ty) => {
        run!($harness, troubled:
            throttled_with_and_without_a_hint,
            a_failing_service_is_unavailable,
            an_answer_of_another_kind_is_no_success,
        );
    };
}

/// What a client does over a network.
macro_rules! network {
    ($harness:ty) => {
        run!($harness, network:
            a_wrong_signature_is_forbidden,
            a_token_is_checked,
            credentials_are_renewed_when_they_expire,
            without_credentials_nothing_is_sent,
            the_day_may_change,
            an_id_is_encoded,
            what_is_not_text_is_refused,
            an_endpoint_may_end_with_a_slash_and_needs_its_stage,
            an_answer_that_breaks_off_is_unavailable,
            an_answer_without_sense_is_an_error,
            a_service_that_does_not_answer_is_waited_for_so_long,
            a_client_that_does_not_read_is_throttled,
        );
    };
}

mod the_fake {
    healthy!(crate::fake::Fake);
    troubled!(crate::fake::Fake);
}

mod the_lean_client {
    healthy!(crate::over::Over<crate::over::Lean>);
    troubled!(crate::over::Over<crate::over::Lean>);
    network!(crate::over::Over<crate::over::Lean>);
}

mod the_sdk_client {
    healthy!(crate::over::Over<crate::over::Sdk>);
    troubled!(crate::over::Over<crate::over::Sdk>);
    network!(crate::over::Over<crate::over::Sdk>);
}

mod the_lean_client_over_tls {
    healthy!(crate::tls::OverTls<crate::over::Lean>);
}

mod the_sdk_client_over_tls {
    healthy!(crate::tls::OverTls<crate::over::Sdk>);
}
