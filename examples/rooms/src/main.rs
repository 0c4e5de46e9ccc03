//! The function: the app on its table and the management API of its stage.

use std::env;

use anyhow::Context;
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dunlin_management_aws::LeanManagementClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    dunlin_lambda::init_tracing();
    let table = env::var("TABLE_NAME").context("TABLE_NAME")?;
    let store = DynamoDbStore::from_env(table)?;
    let management = LeanManagementClient::from_env()?;
    dunlin_lambda::run(rooms::app(store, management)).await?;
    Ok(())
}
