//! From the SDK's errors to the store's.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use dunlin_connection_store::{StoreError, StoreErrorKind};

/// The store's error for a request that failed while the store's method `operation` ran.
pub(crate) fn store_error<E, R>(operation: &'static str, error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    StoreError::new(kind(&error), operation).with_source(error)
}

fn kind<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreErrorKind {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreErrorKind::Unavailable
        }
        SdkError::ServiceError(service) => match service.err().code() {
            Some(
                "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ThrottlingException"
                | "ThrottledException",
            ) => StoreErrorKind::Throttled,
            Some("TransactionConflictException" | "ReplicatedWriteConflictException") => {
                StoreErrorKind::Conflict
            }
            Some("InternalServerError" | "InternalFailure" | "ServiceUnavailable") => {
                StoreErrorKind::Unavailable
            }
            _ => StoreErrorKind::Internal,
        },
        _ => StoreErrorKind::Internal,
    }
}

/// An item that cannot be read.
pub(crate) fn malformed(operation: &'static str) -> impl Fn(crate::item::MalformedItem) -> StoreError + Copy {
    move |error| StoreError::new(StoreErrorKind::Internal, operation).with_source(error)
}
