use serde_json::{Map, Value, json};

use super::{Context, Type, arn_of};
use crate::{
    Table,
    error::{Fault, Outcome},
    node::{Kind, Node},
    resolve::Resource,
    section::{At, Section},
};

/// Properties of a table that change nothing about its items.
const HARMLESS: [&str; 9] = [
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "KinesisStreamSpecification",
    "OnDemandThroughput",
    "PointInTimeRecoverySpecification",
    "SSESpecification",
    "TableClass",
    "Tags",
    "WarmThroughput",
];

/// An `AWS::DynamoDB::Table`.
pub(super) fn plain(context: &Context<'_>, resource: &Resource) -> Outcome<Table> {
    let section = context.section(resource);
    let _ = section.text("TableName")?;
    let mut create = Map::new();
    create.insert("TableName".to_owned(), json!(resource.name));
    for key in ["AttributeDefinitions", "KeySchema"] {
        let Some(At { value, .. }) = section.list(key)? else { return Err(section.missing(key)) };
        create.insert(key.to_owned(), json_of_list(value)?);
    }
    for key in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(At { value, .. }) = section.list(key)? {
            create.insert(key.to_owned(), json_of_list(value)?);
        }
    }
    billing(&section, resource, &mut create)?;
    let ttl_attribute = ttl(&section)?;
    check_keys(&section, &create)?;
    section.finish(&HARMLESS);
    table(context, resource, Value::Object(create), ttl_attribute)
}

fn billing(section: &Section<'_>, resource: &Resource, create: &mut Map<String, Value>) -> Outcome<()> {
    let billing = section.text("BillingMode")?;
    let throughput = section.value("ProvisionedThroughput")?;
    let mode = match (billing.as_ref().map(|billing| billing.value), throughput) {
        (Some("PAY_PER_REQUEST"), _) => "PAY_PER_REQUEST",
        (None | Some("PROVISIONED"), Some(At { value, .. })) => {
            create.insert("ProvisionedThroughput".to_owned(), json_of(value, "ProvisionedThroughput")?);
            "PROVISIONED"
        }
        (None | Some("PROVISIONED"), None) => {
            let id = &resource.logical_id;
            let message = format!(
                "{id} has no ProvisionedThroughput; give it one or set BillingMode to PAY_PER_REQUEST"
            );
            return Err(Fault::at(resource.at, message));
        }
        (Some(other), _) => {
            let at = billing.map_or(resource.at, |billing| billing.at);
            let what = format!("is {other}; it must be PAY_PER_REQUEST or PROVISIONED");
            return Err(section.wrong(at, "BillingMode", &what));
        }
    };
    create.insert("BillingMode".to_owned(), json!(mode));
    Ok(())
}

/// An `AWS::Serverless::SimpleTable`: one key, named `id` unless the template says otherwise.
pub(super) fn simple(context: &Context<'_>, resource: &Resource) -> Outcome<Table> {
    let section = context.section(resource);
    let _ = section.text("TableName")?;
    let (key, kind) = match section.section("PrimaryKey")? {
        None => ("id", "S"),
        Some(primary) => {
            let key = primary.required_text("Name")?.value;
            let kind = primary.required_text("Type")?;
            let kind = match kind.value {
                "String" => "S",
                "Number" => "N",
                "Binary" => "B",
                other => {
                    let what = format!("is {other}; it must be String, Number or Binary");
                    return Err(primary.wrong(kind.at, "Type", &what));
                }
            };
            (key, kind)
        }
    };
    section.finish(&[
        "ProvisionedThroughput",
        "SSESpecification",
        "Tags",
        "PointInTimeRecoverySpecification",
    ]);
    let create = json!({
        "TableName": resource.name,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    table(context, resource, create, None)
}

fn table(
    context: &Context<'_>,
    resource: &Resource,
    create_table: Value,
    ttl_attribute: Option<String>,
) -> Outcome<Table> {
    context.check_name(&[Type::Table, Type::SimpleTable], resource)?;
    let name = resource.name.clone();
    Ok(Table {
        logical_id: resource.logical_id.clone(),
        arn: arn_of(context.settings, "dynamodb", &format!("table/{name}")),
        name,
        create_table,
        ttl_attribute,
        at: context.place(resource.at),
    })
}

fn ttl(section: &Section<'_>) -> Outcome<Option<String>> {
    let Some(ttl) = section.section("TimeToLiveSpecification")? else { return Ok(None) };
    let Some(enabled) = ttl.flag("Enabled")? else { return Err(ttl.missing("Enabled")) };
    let attribute = ttl.text("AttributeName")?;
    match (enabled, attribute) {
        (false, _) => Ok(None),
        (true, Some(attribute)) => Ok(Some(attribute.value.to_owned())),
        (true, None) => Err(ttl.missing("AttributeName")),
    }
}

/// Every key attribute has a type; the emulator would say so too, but without a line.
fn check_keys(section: &Section<'_>, create: &Map<String, Value>) -> Outcome<()> {
    let name = |item: &Value| item.get("AttributeName").and_then(Value::as_str).map(str::to_owned);
    let items = |key: &str| create.get(key).and_then(Value::as_array).into_iter().flatten();
    let defined: Vec<_> = items("AttributeDefinitions").filter_map(name).collect();
    let at = section.list("KeySchema")?.map_or(section.at, |list| list.at);
    for key in items("KeySchema") {
        if !name(key).is_some_and(|key| defined.contains(&key)) {
            let id = section.owner;
            let attribute = name(key).unwrap_or_default();
            let message =
                format!("{id} has the key {attribute:?} but no AttributeDefinitions entry for it; add one");
            return Err(Fault::at(at, message));
        }
    }
    Ok(())
}

fn json_of_list(items: &[Node]) -> Outcome<Value> {
    items.iter().map(|item| json_of(item, "")).collect::<Outcome<Vec<_>>>().map(Value::Array)
}

/// A table's properties have the API's own shape; only capacities are numbers, everything else is text.
fn json_of(node: &Node, key: &str) -> Outcome<Value> {
    Ok(match &node.kind {
        Kind::Text(text) if key.ends_with("CapacityUnits") => match text.value.trim().parse::<u64>() {
            Ok(number) => json!(number),
            Err(_) => {
                let message = format!("{key} is {}; it must be a whole number", text.value);
                return Err(Fault::at(node.at, message));
            }
        },
        Kind::Text(text) => json!(text.value),
        Kind::Seq(items) => json_of_list(items)?,
        Kind::Map(entries) => {
            let pairs =
                entries.iter().map(|entry| Ok((entry.key.clone(), json_of(&entry.value, &entry.key)?)));
            Value::Object(pairs.collect::<Outcome<_>>()?)
        }
    })
}
