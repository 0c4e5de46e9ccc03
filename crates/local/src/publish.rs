use std::net::SocketAddr;

use dunlin_iot_rules::client::{PublishError, QoS, publish_once};
use tokio::net::lookup_host;

use crate::{cli::PublishArgs, failure::Failure};

/// `dunlin publish`: one message, confirmed unless `--qos 0`.
pub(crate) async fn run(args: PublishArgs) -> Result<(), Failure> {
    let broker = resolve(&args.mqtt).await?;
    let qos = if args.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    publish_once(broker, &args.topic, args.payload.into(), qos).await.map_err(|error| match error {
        PublishError::Topic { .. } => Failure::usage(error.to_string()),
        PublishError::TooLarge { .. } => Failure::data(error.to_string()),
        _ => Failure::unavailable(format!("{error}; is `dunlin up` running, and is --mqtt its address?")),
    })
}

async fn resolve(address: &str) -> Result<SocketAddr, Failure> {
    let unknown = |why: &str| Failure::usage(format!("--mqtt {address}: {why}; HOST:PORT is expected"));
    lookup_host(address)
        .await
        .map_err(|error| unknown(&error.to_string()))?
        .next()
        .ok_or_else(|| unknown("no address"))
}
