//! From the SDK's errors to the store's.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use dunlin_connection_store::{StoreError, StoreErrorKind};

use crate::DynamoDbStore;
use crate::read::MalformedItem;

/// A request that the table did not carry out. What follows in the chain is the SDK's.
#[derive(Debug, thiserror::Error)]
#[error("request to table {table:?}")]
struct RequestError<E: Error + 'static> {
    table: String,
    source: E,
}

impl DynamoDbStore {
    /// The store's error for a request that failed while the store's method `operation` ran.
    pub(crate) fn error<E>(&self, operation: &'static str, error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let kind = kind(&error);
        StoreError::new(kind, operation)
            .with_source(RequestError { table: self.table().to_owned(), source: error })
    }
}

fn kind<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreErrorKind {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => StoreErrorKind::Unavailable,
        // An answer that was cut off.
        SdkError::ResponseError(_) => StoreErrorKind::Unavailable,
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            kind_of_code(service.err().code()).unwrap_or(match status {
                429 => StoreErrorKind::Throttled,
                500.. => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::Internal,
            })
        }
        _ => StoreErrorKind::Internal,
    }
}

fn kind_of_code(code: Option<&str>) -> Option<StoreErrorKind> {
    match code? {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "ThrottledException"
        | "LimitExceededException" => Some(StoreErrorKind::Throttled),
        "TransactionConflictException" | "ReplicatedWriteConflictException" => Some(StoreErrorKind::Conflict),
        _ => None,
    }
}

/// An item that cannot be read.
pub(crate) fn malformed(operation: &'static str) -> impl Fn(MalformedItem) -> StoreError + Copy {
    move |error| StoreError::new(StoreErrorKind::Internal, operation).with_source(error)
}
