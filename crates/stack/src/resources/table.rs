use serde_json::{Map, Value, json};

use super::{arn_of, properties};
use crate::{
    Table,
    error::{Fault, Outcome},
    node::{Kind, Node},
    scope::Scope,
    section::{At, Section},
    template::Resource,
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
pub(super) fn plain(scope: &Scope<'_>, resource: &Resource) -> Outcome<Table> {
    let section = properties(scope, resource);
    let name = super::reference(scope, resource)?;
    let _ = section.text("TableName")?;
    let mut create = Map::new();
    create.insert("TableName".to_owned(), json!(name));
    for key in ["AttributeDefinitions", "KeySchema"] {
        let Some(At { value, .. }) = section.list(key)? else { return Err(section.missing(key)) };
        create.insert(key.to_owned(), json_of_list(value)?);
    }
    for key in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(At { value, .. }) = section.list(key)? {
            create.insert(key.to_owned(), json_of_list(value)?);
        }
    }
    let billing = section.text("BillingMode")?;
    let throughput = section.value("ProvisionedThroughput")?;
    match (billing.as_ref().map(|billing| billing.value.as_str()), throughput) {
        (Some("PAY_PER_REQUEST"), _) => {
            create.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
        }
        (None | Some("PROVISIONED"), Some(At { value, .. })) => {
            create.insert("BillingMode".to_owned(), json!("PROVISIONED"));
            create.insert("ProvisionedThroughput".to_owned(), json_of(value, "ProvisionedThroughput")?);
        }
        (None | Some("PROVISIONED"), None) => {
            let message = format!(
                "{} has no ProvisionedThroughput; give it one or set BillingMode to PAY_PER_REQUEST",
                resource.logical_id
            );
            return Err(Fault::at(resource.line, message));
        }
        (Some(other), _) => {
            let line = billing.as_ref().map_or(resource.line, |billing| billing.line);
            let what = format!("is {other}; it must be PAY_PER_REQUEST or PROVISIONED");
            return Err(section.wrong(line, "BillingMode", &what));
        }
    }
    let ttl_attribute = ttl(&section)?;
    check_keys(resource, &create)?;
    section.finish(&HARMLESS);
    Ok(table(scope, resource, name, Value::Object(create), ttl_attribute))
}

/// An `AWS::Serverless::SimpleTable`: one key, named `id` unless the template says otherwise.
pub(super) fn simple(scope: &Scope<'_>, resource: &Resource) -> Outcome<Table> {
    let section = properties(scope, resource);
    let name = super::reference(scope, resource)?;
    let _ = section.text("TableName")?;
    let (key, kind) = match section.section("PrimaryKey")? {
        None => ("id".to_owned(), "S"),
        Some(primary) => {
            let key = primary.required_text("Name")?.value;
            let kind = primary.required_text("Type")?;
            let kind = match kind.value.as_str() {
                "String" => "S",
                "Number" => "N",
                "Binary" => "B",
                other => {
                    let what = format!("is {other}; it must be String, Number or Binary");
                    return Err(primary.wrong(kind.line, "Type", &what));
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
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    Ok(table(scope, resource, name, create, None))
}

/// Adds a table whose name no other has.
pub(super) fn add(tables: &mut Vec<Table>, table: Table) -> Outcome<()> {
    if let Some(other) = tables.iter().find(|other| other.name == table.name) {
        let Table { logical_id, name, line, .. } = &table;
        let message = format!("{logical_id} and {} both have the name {name}; rename one", other.logical_id);
        return Err(Fault::at(*line, message));
    }
    tables.push(table);
    Ok(())
}

fn table(
    scope: &Scope<'_>,
    resource: &Resource,
    name: String,
    create_table: Value,
    ttl_attribute: Option<String>,
) -> Table {
    Table {
        logical_id: resource.logical_id.clone(),
        arn: arn_of(scope, "dynamodb", &format!("table/{name}")),
        name,
        create_table,
        ttl_attribute,
        line: resource.line,
    }
}

fn ttl(section: &Section<'_, '_>) -> Outcome<Option<String>> {
    let Some(ttl) = section.section("TimeToLiveSpecification")? else { return Ok(None) };
    let Some(enabled) = ttl.flag("Enabled")? else { return Err(ttl.missing("Enabled")) };
    let attribute = ttl.text("AttributeName")?;
    match (enabled, attribute) {
        (false, _) => Ok(None),
        (true, Some(attribute)) => Ok(Some(attribute.value)),
        (true, None) => Err(ttl.missing("AttributeName")),
    }
}

/// Every key attribute has a type; the emulator would say so too, but without a line.
fn check_keys(resource: &Resource, create: &Map<String, Value>) -> Outcome<()> {
    let name = |item: &Value| item.get("AttributeName").and_then(Value::as_str).map(str::to_owned);
    let items = |key: &str| create.get(key).and_then(Value::as_array).into_iter().flatten();
    let defined: Vec<_> = items("AttributeDefinitions").filter_map(name).collect();
    for key in items("KeySchema") {
        let defined_here = name(key).is_some_and(|key| defined.contains(&key));
        if !defined_here {
            let id = &resource.logical_id;
            let attribute = name(key).unwrap_or_default();
            let message =
                format!("{id} has the key {attribute:?} but no AttributeDefinitions entry for it; add one");
            return Err(Fault::at(resource.line, message));
        }
    }
    Ok(())
}

fn json_of_list(items: Vec<Node>) -> Outcome<Value> {
    items.into_iter().map(|item| json_of(item, "")).collect::<Outcome<Vec<_>>>().map(Value::Array)
}

/// A table's properties have the API's own shape; only capacities are numbers, everything else is text.
fn json_of(node: Node, key: &str) -> Outcome<Value> {
    let line = node.line;
    Ok(match node.kind {
        Kind::Text(text) if key.ends_with("CapacityUnits") => match text.trim().parse::<u64>() {
            Ok(number) => json!(number),
            Err(_) => return Err(Fault::at(line, format!("{key} is {text}; it must be a whole number"))),
        },
        Kind::Text(text) => json!(text),
        Kind::Seq(items) => json_of_list(items)?,
        Kind::Map(entries) => {
            let pairs =
                entries.into_iter().map(|entry| Ok((entry.key.clone(), json_of(entry.value, &entry.key)?)));
            Value::Object(pairs.collect::<Outcome<_>>()?)
        }
    })
}
